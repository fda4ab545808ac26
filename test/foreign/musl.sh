#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Built with musl-gcc, both libraries keep their promises: the tests of the internals and of the public headers pass, and a
# program's malloc is fallow's when it is preloaded and when it is linked to a static program.

. "$top_srcdir/test/lib/test.sh"
command -v musl-gcc >/dev/null || skip "no musl-tools"
scratch
. "$top_srcdir/test/foreign/foreign.sh"

# musl's compiler does not look where the kernel's headers are: these and no others of this machine's.
mkdir "$scratch/kernel"
ln -s /usr/include/linux /usr/include/asm-generic "$scratch/kernel"
ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$scratch/kernel/asm"
musl="musl-gcc -idirafter $scratch/kernel"

cmocka $musl
tests="$UNIT_TESTS $API_TESTS"
build CC="$musl" CXX=false CPPFLAGS="-I$scratch/cmocka -I$top_srcdir/test/foreign/musl -include $top_srcdir/test/foreign/musl/glibc.h"
for test in $tests; do
	(cd "$scratch/build" && timeout 200 "$test") >"$scratch/out" 2>&1
	status=$?
	case $status in
	0) ;;
	77) echo "$test: $(grep -m 1 skipped "$scratch/out")" ;;
	*) cat "$scratch/out"; fail "$test ends with $status" ;;
	esac
done

cat >"$scratch/user.c" <<'END'
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	int status = -1;
	for (size_t i = 1; i < 10000; i++) {
		char *block = malloc(i);
		block[i - 1] = 1;
		free(realloc(block, 2 * i));
	}
	if (malloc((size_t)64 << 20) != NULL) /* beyond the limit */
		return 1;
	if (fork() == 0)
		_exit(malloc(100000) == NULL);
	return wait(&status) < 0 || status != 0;
}
END
libraries=$scratch/build/.libs
options="-fno-builtin $scratch/user.c"
$musl $options -o "$scratch/preloaded" && $musl -static $options -o "$scratch/static" "$libraries/libfallow-malloc.a" ||
	fail "programs cannot be built"
FALLOW_CONF=limit:16M,stats:exit LD_PRELOAD=$libraries/libfallow-malloc.so "$scratch/preloaded" 2>"$scratch/out" ||
	fail "a program that it is preloaded to ends with $?"
grep -q 'fallow: 1 failures' "$scratch/out" || fail "a program that it is preloaded to does not use it"
FALLOW_CONF=limit:16M,stats:exit "$scratch/static" 2>"$scratch/out" || fail "a static program ends with $?"
grep -q 'fallow: 1 failures' "$scratch/out" || fail "a static program does not use it"
finish
