#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages build twice to the same bits, are clean for lintian, and install, run and go again without a trace: on a
# copy of this machine's root that lasts as long as the test.

. "$top_srcdir/test/lib/test.sh"
for program in dpkg-buildpackage dh lintian unshare; do
	command -v $program >/dev/null || skip "no $program"
done
[ "$(id -u)" -eq 0 ] || skip "installing packages takes root"
scratch
unset MAKEFLAGS MFLAGS MAKELEVEL

# build: the packages, with their checksums on stdout.
build() {
	make -s -C "$top_builddir" deb >"$scratch/log" 2>&1 || { tail -n 40 "$scratch/log" >&2; return 1; }
	(cd "$top_builddir/deb" && sha256sum -- *.deb)
}

build >"$scratch/first" || { fail "make deb"; finish; }
cp "$top_builddir"/deb/*.deb "$scratch"

# In another place, as another time, and with another umask.
(umask 077 && mkdir "$scratch/elsewhere" && cd "$scratch/elsewhere" && "$top_srcdir/configure" -q --disable-tests) ||
	fail "configure elsewhere"
(umask 077 && top_builddir=$scratch/elsewhere && TZ=Asia/Kathmandu && export TZ && build) >"$scratch/second" ||
	fail "make deb elsewhere"
diff "$scratch/first" "$scratch/second" || fail "the packages differ from build to build"

lintian --allow-root --fail-on error,warning "$top_builddir"/deb/*.changes || fail "lintian"

# What is installed is compared with what was there, but for what dpkg and its triggers keep for themselves.
cat >"$scratch/inside" <<'END'
set -e
list() { find /usr /etc /var -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print | sort; }
list >/tmp/before
dpkg -i "$1"/libfallow0_*.deb "$1"/libfallow-dev_*.deb "$1"/fallow-tools_*.deb
sh "$2/debian/tests/installed"
dpkg -P fallow-tools libfallow-dev libfallow0
list >/tmp/after
diff /tmp/before /tmp/after
END
mkdir "$scratch/machine"
timeout 200 unshare -m --propagation private sh -ec '
	mount -t tmpfs -o size=1G fallow-test "$1/machine"
	cd "$1/machine"
	mkdir upper work root packages
	cp "$1"/*.deb "$1/inside" packages
	mount -t overlay -o "lowerdir=/,upperdir=upper,workdir=work" fallow-test root
	mount -t proc proc root/proc
	mount --rbind /dev root/dev
	mkdir -p root/run/fallow-test
	mount --bind packages root/run/fallow-test
	exec env -u TMPDIR chroot root sh /run/fallow-test/inside /run/fallow-test "$2"' sh "$scratch" "$top_srcdir" \
	>"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "installing, running and removing"; }
finish
