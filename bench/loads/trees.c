/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binary trees: built, walked and torn down at many depths, with one that lives through it all.
 */

#include "load.h"

struct node {
	struct node *left, *right;
};

static struct node *tree_build(int depth)
{
	struct node *node = load_must(malloc(sizeof *node));

	node->left = depth ? tree_build(depth - 1) : NULL;
	node->right = depth ? tree_build(depth - 1) : NULL;
	return node;
}

static long tree_count(const struct node *node)
{
	return node ? 1 + tree_count(node->left) + tree_count(node->right) : 0;
}

static void tree_free(struct node *node)
{
	if (!node)
		return;
	tree_free(node->left);
	tree_free(node->right);
	free(node);
}

int main(int argc, char **argv)
{
	enum { DEEPEST = 18, SHALLOWEST = 4 };
	long rounds = load_scaled(argc, argv, 8);
	struct node *lasting = tree_build(DEEPEST);
	long nodes = 0;

	for (long r = 0; r < rounds; r++) {
		for (int depth = SHALLOWEST; depth <= DEEPEST; depth += 2) {
			for (int i = 0; i < 1 << (DEEPEST - depth); i++) {
				struct node *tree = tree_build(depth);

				nodes += tree_count(tree);
				tree_free(tree);
			}
		}
	}
	nodes += tree_count(lasting);
	tree_free(lasting);
	load_report("trees", nodes, 0);
	return 0;
}
