#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What make install puts down is enough to build and run a program, shared and static, and make uninstall takes all of
# it away again.

. "$top_srcdir/test/lib/test.sh"
scratch
unset MAKEFLAGS MFLAGS MAKELEVEL
dest=$scratch/dest
from_install() { make -s -C "$top_builddir" DESTDIR="$dest" "$@" >"$scratch/log" 2>&1; }

cat >"$scratch/user.c" <<'END'
#include <fallow/fallow.h>
int main(void)
{
	void *block = fallow_malloc(100);

	fallow_free(block);
	return block == NULL;
}
END

from_install install || { cat "$scratch/log"; fail "make install"; finish; }
pc=$(dirname "$(find "$dest" -name fallow.pc)")
libdir=$(dirname "$pc")
pkg() { PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_LIBDIR=$pc pkg-config "$@"; }

for lib in fallow fallow-malloc; do
	# Unquoted on purpose: these are lists of options.
	$CC $(pkg --cflags $lib) -o "$scratch/shared" "$scratch/user.c" $(pkg --libs $lib) &&
		LD_LIBRARY_PATH=$libdir "$scratch/shared" || fail "a program linked to $lib.pc"
	$CC $(pkg --cflags $lib) -o "$scratch/static" "$scratch/user.c" "$libdir/lib$lib.a" &&
		"$scratch/static" || fail "a program linked to lib$lib.a"
done

# The command finds the library of its own installation.
said=$(LD_LIBRARY_PATH=$libdir "$(find "$dest" -name fallow -path '*/bin/*')" run --verbose true 2>&1) ||
	fail "fallow run ends with $?: $said"
case $said in
*LD_PRELOAD=$libdir/libfallow-malloc.so*) ;;
*) fail "fallow run does not find the installed library: $said" ;;
esac

# Each call has its manual by its own name.
mandir=$(dirname "$(dirname "$(find "$dest" -name fallow_arena_create.3)")")
grep -q '^\.so man3/fallow_arena_create\.3$' "$mandir/man3/fallow_arena_free.3" || fail "there is no manual named fallow_arena_free"

from_install uninstall || { cat "$scratch/log"; fail "make uninstall"; }
left=$(find "$dest" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves: $left"
finish
