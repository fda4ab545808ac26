#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Prints a C file with as many functions as asked for, each with loops, switches and calls to earlier ones.
# usage: c-source.sh COUNT
set -eu
awk -v count="$1" 'BEGIN {
    print "struct node { struct node *next; int key; double weight; char text[16]; };"
    print "int f0(struct node *n, int x) { return n ? n->key + x : x; }"
    for (i = 1; i < count; i++) {
        printf "int f%d(struct node *n, int x)\n{\n    int total = 0, table[16];\n", i
        printf "    for (int i = 0; i < 16; i++)\n        table[i] = x * %d + i;\n", i
        printf "    for (; n; n = n->next) {\n        switch (n->key %% 7) {\n"
        for (c = 0; c < 6; c++)
            printf "        case %d: total += f%d(n->next, table[(x + %d) & 15]) * %d; break;\n", c, (i * 13 + c) % i, c, i + c
        printf "        default: n->weight = n->weight * %d.5 + total; table[total & 15] ^= n->key;\n        }\n", i
        printf "        for (int j = 0; j < x; j++)\n            total += table[j & 15] * n->text[j & 15];\n    }\n    return total;\n}\n"
    }
}'
