#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Prints a C++ file that instantiates containers and algorithms for as many types as asked for.
# usage: cxx-source.sh COUNT
set -eu
awk -v count="$1" 'BEGIN {
    print "#include <algorithm>\n#include <functional>\n#include <map>\n#include <memory>\n#include <string>\n#include <unordered_map>\n#include <vector>"
    for (i = 0; i < count; i++) {
        printf "struct type%d { int key; std::string name; std::vector<std::shared_ptr<type%d>> children; };\n", i, i
        printf "bool operator<(const type%d &a, const type%d &b) { return a.key < b.key; }\n", i, i
        printf "int use%d(std::map<std::string, type%d> &m, std::unordered_map<int, std::unique_ptr<type%d>> &u)\n{\n", i, i, i
        printf "    std::vector<type%d> all;\n    for (auto &p : m)\n        all.push_back(p.second);\n", i
        printf "    std::sort(all.begin(), all.end());\n    std::function<int(int)> f = [&](int x) { return x + static_cast<int>(all.size()) + %d; };\n", i
        printf "    u[%d] = std::make_unique<type%d>();\n    return f(static_cast<int>(u.size())) + all.front().key;\n}\n", i, i
    }
}'
