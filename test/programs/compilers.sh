#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that gcc, g++ and clang write the same objects under the preload as without, from a large C file and from C++ that
# draws in much of the library; each process of a compilation is shown to run on the preload.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need gcc gcc
need g++ g++
need clang clang

awk -v functions="${functions:-100}" 'BEGIN {
    print "#include <stdio.h>\n#include <string.h>"
    for (i = 0; i < functions; i++) {
        printf "struct record%d { int a[%d]; double b; struct record%d *next; };\n", i, i % 17 + 1, i
        printf "double work%d(struct record%d *r, int n) {\n double s = r->b;\n", i, i
        for (k = 0; k < 12; k++)
            printf " for (int i = 0; i < n; i++) s += r->a[(i * %d) %% %d] * %d.5 / (s > %d ? s : n);\n", k + i, i % 17 + 1, k, i
        printf " if (r->next) s += work%d(r->next, n - 1);\n printf(\"%%f %s\\n\", s);\n return s;\n}\n", i, "record " i
    }
}' >"$scratch/large.c"
cat >"$scratch/library.cc" <<'END'
#include <algorithm>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct tower { std::map<std::string, std::vector<tower<N - 1>>> floors; };
template <> struct tower<0> { std::variant<int, double, std::string> value; };

std::size_t count(const tower<12> &) { return sizeof(tower<12>); }
std::string change(const std::string &text)
{
	return std::regex_replace(text, std::regex("(a|b)+c{2,5}"), "[$&]");
}
int main()
{
	std::unordered_map<std::string, std::function<int(int)>> table{{"one", [](int n) { return n + 1; }}};
	auto later = std::async([&] { std::ostringstream out; for (auto &[name, f] : table) out << name << f(2); return out.str(); });
	std::cout << change(later.get()) << count({}) << '\n';
}
END
echo 'int main(void) { return 0; }' >"$scratch/small.c"
cp "$scratch/small.c" "$scratch/small.cc"
prove_preloaded gcc "$scratch/small.c" -o "$scratch/small" || exit 1
prove_preloaded g++ "$scratch/small.cc" -o "$scratch/small" || exit 1
prove_preloaded clang -c "$scratch/small.c" -o "$scratch/small.o" || exit 1

# -frandom-seed: what the compilers would make up themselves must be the same in both runs.
failed=0
same gcc -O2 -g -frandom-seed=1 -c "$scratch/large.c" -o large.o || failed=1
same g++ -std=c++17 -O1 -g -frandom-seed=1 -c "$scratch/library.cc" -o library.o || failed=1
same clang -O2 -g -c "$scratch/large.c" -o large.o || failed=1
same clang++ -std=c++17 -O1 -c "$scratch/library.cc" -o library.o || failed=1
same gcc -O2 -flto=2 -frandom-seed=1 -w -shared -fPIC "$scratch/large.c" -o large.so || failed=1
exit $failed
