# SPDX-License-Identifier: BSD-2-Clause
# Writes a C file of n functions (awk -v n=1500), for a compiler to work on.
BEGIN {
	print "#include <stdio.h>\n#include <string.h>\n"
	print "struct node { struct node *next; long key; double weight; char name[32]; };\n"
	for (i = 0; i < n; i++) {
		printf "static long f%d(struct node *list, const char *text, long seed)\n{\n", i
		printf "\tlong sum = seed * %d + %d;\n\tsize_t length = strlen(text);\n\n", i * 7919 % 1009 + 1, i
		printf "\tfor (struct node *node = list; node; node = node->next) {\n"
		printf "\t\tif (node->key %% %d == %d && strncmp(node->name, text, length) == 0)\n", i % 13 + 2, i % 2
		printf "\t\t\tsum += (long)(node->weight * %d) + node->name[sum & 31];\n", i % 29 + 1
		printf "\t\tswitch (sum & 3) {\n\t\tcase 0: sum ^= node->key << %d; break;\n", i % 7
		printf "\t\tcase 1: sum -= (long)length * %d; break;\n\t\tdefault: sum += seed / (node->key | 1);\n\t\t}\n\t}\n", i % 17
		printf "\treturn %s;\n}\n\n", i ? "sum + f" (i - 1) "(list ? list->next : list, text, sum)" : "sum"
	}
	printf "int main(int argc, char **argv)\n{\n\tstruct node node = { 0, argc, 1.5, \"name\" };\n\n"
	printf "\treturn printf(\"%%ld\\n\", f%d(&node, argv[0], argc)) < 0;\n}\n", n - 1
}
