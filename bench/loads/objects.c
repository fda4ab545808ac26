/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small language's heap: objects and tables that double, all through one realloc, swept by mark and sweep.
 *
 * Everything is reached from a root table; a sweep frees what the mutator has
 * let go, in the order of allocation, and touches each object on the way.
 */

#include "load.h"

struct object {
	struct object *all_next;
	struct object **fields;
	uint32_t count, room;
	uint32_t marked;
};

static struct object *all;
static long alive;

/* The one door to the allocator, as scripting languages have it. */
static void *memory_resize(void *block, size_t size)
{
	if (size)
		return load_must(realloc(block, size));
	free(block);
	return NULL;
}

static struct object *object_make(void)
{
	struct object *object = memory_resize(NULL, sizeof *object);

	*object = (struct object){.all_next = all};
	all = object;
	alive++;
	return object;
}

static void field_add(struct object *object, struct object *value)
{
	if (object->count == object->room) {
		object->room = object->room ? object->room * 2 : 4;
		object->fields = memory_resize(object->fields, object->room * sizeof(struct object *));
	}
	object->fields[object->count++] = value;
}

static void object_mark(struct object *object, uint32_t epoch)
{
	if (object->marked == epoch)
		return;
	object->marked = epoch;
	for (uint32_t i = 0; i < object->count; i++)
		object_mark(object->fields[i], epoch);
}

static void heap_sweep(uint32_t epoch)
{
	struct object **at = &all;

	while (*at) {
		struct object *object = *at;

		if (object->marked == epoch) {
			at = &object->all_next;
			continue;
		}
		*at = object->all_next;
		memory_resize(object->fields, 0);
		memory_resize(object, 0);
		alive--;
	}
}

int main(int argc, char **argv)
{
	enum { STEPS = 100000, ROOTS = 2000 };
	long cycles = load_scaled(argc, argv, 60);
	uint64_t state = load_seed(0);
	struct object *root = object_make();

	for (int i = 0; i < ROOTS; i++)
		field_add(root, object_make());
	for (uint32_t cycle = 1; cycle <= cycles; cycle++) {
		for (int s = 0; s < STEPS; s++) {
			uint32_t at = (uint32_t)(load_random(&state) % ROOTS);

			/* A root is replaced, or gains a field; tables that grew too far are let go. */
			if (load_random(&state) % 16 == 0 || root->fields[at]->count > 60)
				root->fields[at] = object_make();
			else
				field_add(root->fields[at], object_make());
		}
		object_mark(root, cycle);
		heap_sweep(cycle);
	}
	long left = alive;
	heap_sweep(0);
	load_report("objects", cycles * STEPS, (uint64_t)left);
	return 0;
}
