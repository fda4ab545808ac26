# SPDX-License-Identifier: BSD-2-Clause
# foreign.sh: building and testing for another libc or processor, in $top_builddir/foreign. Source it after test.sh.
#
# Debian's cmocka is for this machine and glibc: it is built anew from Debian's source.

foreign=$top_builddir/foreign
unset MAKEFLAGS MFLAGS MAKELEVEL

# Debian's source of cmocka, kept for the next time.
cmocka_source() {
	[ ! -d "$foreign/cmocka" ] || return 0
	apt=$(mktemp -d) || exit 99
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$foreign"
	# Source packages are not in every machine's lists: these are lists of our own.
	sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$apt/debian.sources" &&
		cat >"$apt/conf" <<END
Dir::Etc::SourceList "$apt/debian.sources";
Dir::Etc::SourceParts "/nonexistent";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt";
APT::Sandbox::User "root";
END
	(cd "$apt" && export APT_CONFIG="$apt/conf" && timeout 200 apt-get -q update &&
		timeout 100 apt-get -q source --download-only cmocka && mkdir unpacked &&
		tar -xf cmocka_*.orig.tar.?z -C unpacked --strip-components 1) >"$apt/log" 2>&1 || {
		tail -n 5 "$apt/log"
		rm -rf "$apt"
		skip "Debian's source of cmocka is not to be had"
	}
	mv "$apt/unpacked" "$foreign/cmocka"
	rm -rf "$apt"
}

# cmocka COMPILER...: header and static library by this compiler, into $scratch/cmocka.
cmocka() {
	cmocka_source
	mkdir -p "$scratch/cmocka"
	for name in INTTYPES_H SETJMP_H SIGNAL_H STDINT_H STRINGS_H TIME_H UNISTD_H STRSIGNAL STRUCT_TIMESPEC CLOCK_GETTIME_REALTIME \
		CLOCK_REALTIME GCC_THREAD_LOCAL_STORAGE; do
		echo "#define HAVE_$name 1"
	done >"$scratch/cmocka/config.h"
	cp "$foreign"/cmocka/include/cmocka*.h "$scratch/cmocka"
	"$@" -O2 -D_GNU_SOURCE -DHAVE_CONFIG_H -I"$scratch/cmocka" -c "$foreign/cmocka/src/cmocka.c" -o "$scratch/cmocka/cmocka.o" \
		>"$scratch/log" 2>&1 && ar rcs "$scratch/cmocka/libcmocka.a" "$scratch/cmocka/cmocka.o" ||
		{ cat "$scratch/log"; fail "building cmocka"; finish; }
}

# build ARGUMENT...: configure in $scratch/build with these arguments, and make everything and the tests in $tests.
build() {
	mkdir -p "$scratch/build"
	# Unquoted on purpose: a list. Not beside "all", which is a make of its own.
	(cd "$scratch/build" && "$top_srcdir/configure" -q --enable-werror "$@" CMOCKA_CFLAGS="-I$scratch/cmocka" \
		CMOCKA_LIBS="$scratch/cmocka/libcmocka.a" && make -s -j2 && make -s -j2 $tests) \
		>"$scratch/log" 2>&1 || { tail -n 60 "$scratch/log"; fail "building"; finish; }
}
