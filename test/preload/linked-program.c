/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says whether malloc is fallow's in this program, by any way of linking; for linked-in.sh. Uses what a program does:
 * stdio, threads, fork, qsort.
 */
#include <fallow/fallow.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "test/preload/check.h"

static int ascending(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

static void *body(void *arg)
{
	int *numbers = calloc(100000, sizeof *numbers);

	for (int i = 0; i < 100000; i++)
		numbers[i] = i * 7919 % 100003;
	qsort(numbers, 100000, sizeof *numbers, ascending);
	CHECK(numbers[0] <= numbers[99999]);
	free(numbers);
	return arg;
}

int main(void)
{
	pthread_t threads[4];
	int status;
	pid_t pid;

	check_deadline(60);
	for (size_t size = 1; size < 5000000; size *= 3) {
		void *libc_block = malloc(size), *heap_block = fallow_malloc(size);

		CHECK(malloc_usable_size(libc_block) == fallow_usable_size(libc_block));
		CHECK(malloc_usable_size(heap_block) == fallow_usable_size(heap_block));
		fallow_free(libc_block);
		free(heap_block);
		free(strdup("allocated inside libc"));
		fallow_free(strdup("allocated inside libc"));
	}
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, body, NULL) != 0)
			return 99;
	pid = fork();
	if (pid == 0) {
		body(NULL);
		_exit(check_status());
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return check_status();
}
