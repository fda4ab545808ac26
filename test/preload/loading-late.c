/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that libfallow-malloc.so can be loaded by dlopen into a running program, beside another malloc: its thread-local
 * state fits into the space that glibc keeps for late libraries, its calls work in old and new threads, and unloading and
 * loading again is harmless. Not preloaded.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>

#include "test/preload/check.h"

/* glibc.rtld.optional_static_tls, what is set aside for all late libraries together. */
enum { OPTIONAL_STATIC_TLS = 512, BLOCKS = 1000 };

static void *(*late_malloc)(size_t);
static void (*late_free)(void *);
static void *(*heap_malloc)(size_t);
static void (*heap_free)(void *);
static pthread_barrier_t loaded;

static void use(void)
{
	void *blocks[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = i % 2 ? late_malloc((size_t)i * 10) : heap_malloc((size_t)i * 10);
		CHECK(blocks[i] != NULL);
		memset(blocks[i], i, (size_t)i * 10);
		free(malloc(100));
	}
	for (int i = 0; i < BLOCKS; i++) {
		CHECK(check_holds(blocks[i], (size_t)i * 10, (unsigned char)i));
		if (i % 3)
			late_free(blocks[i]);
		else
			heap_free(blocks[i]);
	}
}

static void *body(void *arg)
{
	if (arg != NULL)
		pthread_barrier_wait(&loaded);
	use();
	return NULL;
}

static int print_tls(struct dl_phdr_info *info, size_t size, void *name)
{
	(void)size;
	if (strcmp(info->dlpi_name, name) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS) {
			printf("thread-local state: %lu bytes\n", (unsigned long)info->dlpi_phdr[i].p_memsz);
			CHECK(info->dlpi_phdr[i].p_memsz <= OPTIONAL_STATIC_TLS);
		}
	return 1;
}

int main(void)
{
	char *library = getenv("FALLOW_PRELOAD");
	pthread_t older, newer;
	void *handle;

	check_deadline(60);
	if (library == NULL)
		return 99;
	pthread_barrier_init(&loaded, NULL, 2);
	if (pthread_create(&older, NULL, body, &loaded) != 0)
		return 99;
	for (int round = 0; round < 3; round++) {
		handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
		if (handle == NULL) {
			printf("FAIL: %s\n", dlerror());
			return 1;
		}
		*(void **)&late_malloc = dlsym(handle, "malloc");
		*(void **)&late_free = dlsym(handle, "free");
		*(void **)&heap_malloc = dlsym(handle, "fallow_malloc");
		*(void **)&heap_free = dlsym(handle, "fallow_free");
		CHECK(late_malloc != NULL && late_malloc != malloc);
		CHECK(heap_malloc != NULL);
		if (check_status() != 0)
			return 1;
		CHECK(dl_iterate_phdr(print_tls, library) == 1);
		use();
		if (round == 0)
			pthread_barrier_wait(&loaded);
		if (pthread_create(&newer, NULL, body, NULL) != 0)
			return 99;
		pthread_join(newer, NULL);
		if (round == 0)
			pthread_join(older, NULL);
		CHECK(dlclose(handle) == 0);
	}
	return check_status();
}
