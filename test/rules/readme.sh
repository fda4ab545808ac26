#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What README.md and doc/tutorial.md show compiles, without a warning, and runs; its options are those that there are, with their defaults.

. "$top_srcdir/test/lib/test.sh"
scratch
readme=$top_srcdir/README.md
libraries=$top_builddir/.libs

# build NAME: a program from NAME.c.
build() {
	# Unquoted on purpose: the compiler may be several words.
	$CC -Wall -Wextra -Werror -I"$top_srcdir/include" -o "$scratch/$1" "$scratch/$1.c" -L"$libraries" -lfallow \
		-Wl,-rpath,"$libraries" >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }
}

awk -v to="$scratch" '/^```python$/ { file = to "/block.py"; next } /^```c$/ { file = to "/block" ++n ".c"; next } /^```$/ { file = "" } file { print >file }' "$readme" "$top_srcdir/doc/tutorial.md"
[ -e "$scratch/block3.c" ] || fail "README.md has fewer than three programs"
for source in "$scratch"/block*.c; do
	name=$(basename "$source" .c)
	if build "$name"; then
		timeout 20 "$scratch/$name" || fail "$name of README.md and the tutorial ends with $?"
	else
		fail "$name of README.md and the tutorial does not compile"
	fi
done
LD_LIBRARY_PATH=$libraries timeout 20 python3 "$scratch/block.py" >"$scratch/log" 2>&1 && grep -qx "b'hello'" "$scratch/log" ||
	fail "the Python of the tutorial: $(cat "$scratch/log")"

cat >"$scratch/options.c" <<'END'
#include <fallow/fallow.h>
#include <stdio.h>
int main(void)
{
	const struct fallow_option *option;

	for (size_t i = 0; (option = fallow_option_at(i)) != NULL; i++)
		printf("%s %s\n", option->name, option->default_value);
	return 0;
}
END
build options && "$scratch/options" >"$scratch/there-are" || fail "the options cannot be listed"
sed -n 's/^| `\([a-z]*\)` | .* | `\([^`]*\)` | [^|]* |$/\1 \2/p' "$readme" >"$scratch/named"
diff "$scratch/named" "$scratch/there-are" || fail "README.md (<) and src/diag/options.c (>) differ"
finish
