/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library that allocates when it is loaded, used and unloaded, for unloading.c.
 */
#include <stdlib.h>
#include <string.h>

void *plugin_block(size_t size);
void plugin_take(void *block);

static void *kept;

__attribute__((constructor)) static void load(void)
{
	kept = malloc(3000);
	memset(kept, 'p', 3000);
}

__attribute__((destructor)) static void unload(void)
{
	free(realloc(kept, 100000));
	free(malloc(50));
}

/* A block that outlives the plugin. */
void *plugin_block(size_t size)
{
	void *block = malloc(size);

	if (block != NULL)
		memset(block, 'b', size);
	return block;
}

/* Frees a block from outside, and keeps one of that size instead. */
void plugin_take(void *block)
{
	free(block);
	free(kept);
	kept = malloc(3000);
}
