/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the allocator makes its system calls itself and calls nothing that a program may have replaced: this program
 * brings its own mmap, munmap, mprotect, mremap, madvise, getenv, secure_getenv, read, open and close,
 * each of which allocates as tracers and sanitizers do, and notes who called. No caller may lie in the
 * preloaded library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { CALLERS = 4096 };

static struct {
	const char *name;
	void *address;
} callers[CALLERS];
static int caller_count;
static int ready; /* constructors have run: from now on replacements allocate */
static __thread int inside;

#define NOTE() note(__func__, __builtin_return_address(0))

static void note(const char *name, void *address)
{
	int i = __atomic_fetch_add(&caller_count, 1, __ATOMIC_RELAXED);

	if (i < CALLERS) {
		callers[i].name = name;
		callers[i].address = address;
	}
	if (ready && inside == 0) {
		inside++;
		free(malloc(48));
		free(malloc(200000));
		inside--;
	}
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	NOTE();
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

int munmap(void *address, size_t length)
{
	NOTE();
	return (int)syscall(SYS_munmap, address, length);
}

int mprotect(void *address, size_t length, int protection)
{
	NOTE();
	return (int)syscall(SYS_mprotect, address, length, protection);
}

void *mremap(void *address, size_t old_length, size_t length, int flags, ...)
{
	va_list arguments;
	void *target;

	NOTE();
	va_start(arguments, flags);
	target = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	return (void *)syscall(SYS_mremap, address, old_length, length, flags, target);
}

int madvise(void *address, size_t length, int advice)
{
	NOTE();
	return (int)syscall(SYS_madvise, address, length, advice);
}

char *getenv(const char *name)
{
	size_t length = strlen(name);

	NOTE();
	for (char **variable = environ; variable != NULL && *variable != NULL; variable++)
		if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
			return *variable + length + 1;
	return NULL;
}

char *secure_getenv(const char *name)
{
	NOTE();
	(void)name;
	return NULL;
}

ssize_t read(int fd, void *buffer, size_t length)
{
	NOTE();
	return syscall(SYS_read, fd, buffer, length);
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	NOTE();
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int close(int fd)
{
	NOTE();
	return (int)syscall(SYS_close, fd);
}

__attribute__((constructor)) static void constructors_have_run(void)
{
	ready = 1;
}

struct span {
	const char *name;
	uintptr_t start, end;
};

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct span *library = arg;

	(void)size;
	if (strcmp(info->dlpi_name, library->name) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
			library->start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			library->end = library->start + info->dlpi_phdr[i].p_memsz;
		}
	return 1;
}

static void *body(void *arg)
{
	void *blocks[2000];

	for (size_t size = 1; size < 300 << 20; size *= 4)
		free(realloc(calloc(1, size), size * 2));
	for (int i = 0; i < 2000; i++)
		blocks[i] = malloc((size_t)i * 100);
	for (int i = 0; i < 2000; i++)
		free(blocks[i]);
	return arg;
}

int main(int argc, char **argv)
{
	struct span library = {0};
	pthread_t thread;

	(void)argc;
	test_preload(argv, NULL);
	check_deadline(60);
	body(NULL);
	if (pthread_create(&thread, NULL, body, NULL) != 0)
		return 99;
	pthread_join(thread, NULL);

	library.name = getenv("FALLOW_PRELOAD");
	CHECK(dl_iterate_phdr(find_library, &library) == 1);
	CHECK(library.start != 0);
	CHECK(caller_count > 0 && caller_count < CALLERS);
	for (int i = 0; i < caller_count && i < CALLERS; i++) {
		uintptr_t address = (uintptr_t)callers[i].address;

		if (address >= library.start && address < library.end) {
			printf("%s called from the library at +%#lx\n", callers[i].name, (unsigned long)(address - library.start));
			CHECK(!"a call of the allocator went through the program");
		}
	}
	return check_status();
}
