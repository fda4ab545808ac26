/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chained hash table of strings that grows, is looked up, loses half and grows again.
 */

#include "load.h"

struct entry {
	struct entry *next;
	uint64_t hash;
	char *value;
	char key[];
};

struct table {
	struct entry **buckets;
	size_t count, mask;
};

static uint64_t key_hash(const char *key)
{
	uint64_t hash = 14695981039346656037ull;

	while (*key)
		hash = (hash ^ (unsigned char)*key++) * 1099511628211ull;
	return hash;
}

static void table_grow(struct table *table)
{
	size_t mask = table->mask ? table->mask * 2 + 1 : 15;
	struct entry **buckets = load_must(calloc(mask + 1, sizeof *buckets));

	for (size_t b = 0; table->buckets && b <= table->mask; b++) {
		for (struct entry *entry = table->buckets[b], *next; entry; entry = next) {
			next = entry->next;
			entry->next = buckets[entry->hash & mask];
			buckets[entry->hash & mask] = entry;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->mask = mask;
}

static struct entry **table_place(struct table *table, const char *key, uint64_t hash)
{
	struct entry **place = &table->buckets[hash & table->mask];

	while (*place && ((*place)->hash != hash || strcmp((*place)->key, key)))
		place = &(*place)->next;
	return place;
}

static void table_put(struct table *table, const char *key, const char *value)
{
	uint64_t hash = key_hash(key);

	if (table->count >= table->mask)
		table_grow(table);
	struct entry **place = table_place(table, key, hash);
	if (*place)
		free((*place)->value);
	else {
		struct entry *entry = load_must(malloc(sizeof *entry + strlen(key) + 1));

		strcpy(entry->key, key);
		entry->hash = hash;
		entry->next = NULL;
		*place = entry;
		table->count++;
	}
	(*place)->value = load_must(strdup(value));
}

static void table_remove(struct table *table, const char *key)
{
	struct entry **place = table_place(table, key, key_hash(key));
	struct entry *entry = *place;

	if (!entry)
		return;
	*place = entry->next;
	free(entry->value);
	free(entry);
	table->count--;
}

int main(int argc, char **argv)
{
	enum { KEYS = 200000 };
	long rounds = load_scaled(argc, argv, 6);
	struct table table = {0};
	uint64_t state = load_seed(0);
	char key[32], value[128];

	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < KEYS; i++) {
			snprintf(key, sizeof key, "user:%llx", (unsigned long long)(load_random(&state) % (2 * KEYS)));
			memset(value, 'v', sizeof value);
			value[load_between(&state, 4, 100)] = '\0';
			table_put(&table, key, value);
		}
		for (int i = 0; i < 2 * KEYS; i += 2) {
			snprintf(key, sizeof key, "user:%x", i);
			table_remove(&table, key);
		}
	}
	size_t left = table.count;
	for (int i = 0; i < 2 * KEYS; i++) {
		snprintf(key, sizeof key, "user:%x", i);
		table_remove(&table, key);
	}
	load_check(table.count == 0);
	free(table.buckets);
	load_report("hash", rounds * KEYS, left);
	return 0;
}
