#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manuals of the calls have every public call, field and constant, declare calls as the headers do, and list the options
# with their values and defaults; their examples compile without a warning and run.

. "$top_srcdir/test/lib/test.sh"
scratch
man=$top_srcdir/man
libraries=$top_builddir/.libs

# declared HEADER: the calls it declares.
declared() {
	tr '\n\t' '  ' <"$1" | tr ';' '\n' | sed -n 's/.*FALLOW_API [^(]*\b\(fallow_[a-z0-9_]*\)(.*/\1/p'
}

# members HEADER: its public fields as "field NAME" and its constants as "constant NAME".
members() {
	sed -z 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/::g' "$1" | awk '
	/^struct [a-z_]* {$/ { in_struct = 1; next }
	/^enum [a-z_]* {$/ { in_enum = 1; next }
	/^};/ { in_struct = in_enum = 0 }
	in_struct && match($0, /[a-z_]+(\[[^]]*\])?;/) { name = substr($0, RSTART); sub(/[[;].*/, "", name); print "field", name }
	in_enum && match($0, /FALLOW_[A-Z0-9_]+/) { print "constant", substr($0, RSTART, RLENGTH) }
	match($0, /^#define FALLOW_[A-Z0-9_]+ /) && !/FALLOW_API/ { print "constant", substr($0, 9, RLENGTH - 9) }
	' | sort -u
}

# pages_of HEADER: the pages that include it in their synopsis; all for what several headers share.
pages_of() {
	case ${1##*/} in
	types.h) echo "$man"/*.3 "$man/fallow.7" ;;
	*) grep -l "^\.In fallow/${1##*/}\$" "$man"/*.3 ;;
	esac
}

# synopsis PAGE: its declarations as C.
synopsis() {
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$1" | sed 's/^\.Fa "\(.*\)"$/\1,/' | awk '
	/^\.In / { print "#include <" $2 ">" }
	/^\.Ft / { type = substr($0, 5) }
	/^\.Fn / { name = $2; line = $0; sub(/^\.Fn [^ ]* "/, "", line); sub(/"$/, "", line); gsub(/" "/, ", ", line)
		print type, name "(" line ");" }
	/^\.Fo / { name = $2; line = ""; next }
	/^\.Fc/ { sub(/, *$/, "", line); print type, name "(" line ");" }
	/^[^.]/ { line = line $0 " " }'
}

# compile SOURCE PROGRAM: C, or what includes a header of C++. 77: it takes jemalloc, which is not there.
compile() {
	compiler="$CC -std=gnu11" language=c others=
	! grep -q '^#include <.*\.hpp>' "$1" || compiler="$CXX -std=c++17" language=c++
	! grep -q '^#include <jemalloc/' "$1" || others=$(pkg-config --libs jemalloc 2>/dev/null) || return 77
	# Unquoted on purpose: the compiler may be several words.
	$compiler -Wall -Wextra -Werror -I"$top_srcdir/include" -o "$2" -x $language "$1" -L"$libraries" -lfallow \
		-Wl,-rpath,"$libraries" $others
}

# examples PAGE: those that are whole programs, into $scratch/example*.c.
examples() {
	rm -f "$scratch"/example*
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh /p' "$1" | sed 's/\\e/\\/g; s/^\\&//' | awk -v to="$scratch" '
	/^\.Bd -literal/ { file = to "/example" ++n ".c"; next }
	/^\.Ed/ { file = "" }
	file { print >file }'
	for source in "$scratch"/example*.c; do
		[ -e "$source" ] || continue
		grep -q '^#include' "$source" || rm "$source"
	done
}

for header in "$top_srcdir"/include/fallow/*.h; do
	name=${header##*/}
	pages=$(pages_of "$header")
	# What includes the others has nothing of its own; what readers from outside find is told by its header.
	[ -n "$pages" ] || { [ "$name" = fallow.h ] || [ "$name" = live.h ] || fail "no page has $name in its synopsis"; continue; }
	for call in $(declared "$header"); do
		# Unquoted on purpose: a list of pages.
		[ "$(grep -h "^\.Nm $call\\b" $pages | wc -l)" -eq 1 ] || fail "$call of $name is not in one page's NAME"
		grep -hq "^\.F[no] $call\\b" $pages || fail "$call of $name is in no synopsis"
	done
	members "$header" >"$scratch/members"
	while read -r kind member; do
		case $kind in
		field) grep -hq "^\.\(It \)\{0,1\}Fa [^\"]*\\b$member\\b" $pages || fail "no page has the field $member of $name" ;;
		constant) grep -hq "Dv .*\\b$member\\b" $pages || fail "no page has $member of $name" ;;
		esac
	done <"$scratch/members"
done

for page in "$man"/*.3; do
	name=${page##*/}
	head -n 3 "$page" | grep -qi "^\.Dt ${name%.3} 3" || fail "$name has another title"
	grep -q "^\.Nm ${name%.3}\\b" "$page" || fail "$name does not have the name of its file"
	synopsis "$page" >"$scratch/synopsis.c"
	case $(sed -n 's/^#include <\(.*\)>/\1/p' "$scratch/synopsis.c") in
	*.hpp) ;;
	*) $CC -std=gnu11 -Wall -Wextra -Werror -I"$top_srcdir/include" -fsyntax-only "$scratch/synopsis.c" ||
		fail "the synopsis of $name is not what the headers declare" ;;
	esac
done

for page in "$man"/*.3 "$man/fallow.7"; do
	name=${page##*/}
	examples "$page"
	[ -e "$scratch/example1.c" ] || fail "$name has no example"
	for source in "$scratch"/example*.c; do
		compile "$source" "$scratch/example"
		case $? in
		0) ;;
		77) echo "left out: an example of $name, for want of libjemalloc-dev"; continue ;;
		*) fail "an example of $name does not compile"; continue ;;
		esac
		timeout 20 "$scratch/example" >"$scratch/out" 2>&1 || fail "an example of $name ends with $?: $(cat "$scratch/out")"
	done
done

cat >"$scratch/options.c" <<'END'
#include <fallow/options.h>
#include <stdio.h>
int main(void)
{
	const struct fallow_option *option;

	for (size_t i = 0; (option = fallow_option_at(i)) != NULL; i++)
		printf("%s %s %s\n", option->name, option->default_value, option->values);
	return 0;
}
END
compile "$scratch/options.c" "$scratch/options" && "$scratch/options" >"$scratch/there-are" || fail "the options cannot be listed"
while read -r option default values; do
	# From the option's item to the next.
	sed -n "/^\.It Cm $option :/,/^\.\(It\|El\)/p" "$man/fallow.7" | sed '1!{/^\.\(It\|El\)/d}' >"$scratch/item"
	[ -s "$scratch/item" ] || { fail "fallow(7) does not describe the option $option"; continue; }
	grep -q "by default\|the default" "$scratch/item" && grep -qw -- "$default" "$scratch/item" ||
		fail "fallow(7) does not say that $default is the default of $option"
	case $values in
	*' '*) continue ;;
	esac
	for value in $(echo "$values" | tr '|' ' '); do
		grep -qw -- "$value" "$scratch/item" || fail "fallow(7) does not say $value of $option"
	done
done <"$scratch/there-are"
[ "$(grep -c '^\.It Cm .* :' "$man/fallow.7")" -eq "$(wc -l <"$scratch/there-are")" ] ||
	fail "fallow(7) has options that there are not"
finish
