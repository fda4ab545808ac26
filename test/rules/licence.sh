#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every source file names its licence within its first three lines.

. "$top_srcdir/test/lib/test.sh"
cd "$top_srcdir" || exit 99

files=$(find include src test bench demo examples man -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' \
	-o -name '*.py' -o -name '*.am' -o -name '*.map' -o -name '*.names' -o -name '*.hpp' -o -name '*.[1-8]' \) 2>/dev/null | sort)
for file in $files bootstrap configure.ac Makefile.am $(ls .ci/run 2>/dev/null); do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause$\|SPDX-License-Identifier: BSD-2-Clause \*/$' ||
		fail "$file does not say SPDX-License-Identifier: BSD-2-Clause"
done
finish
