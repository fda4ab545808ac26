/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places with real limits: run a function or a program where huge pages, a filesystem, address space or commit run out.
 *
 * A place is a struct of limits that compose; zero fields limit nothing. What is the machine's (pools of huge pages,
 * sysctls, cgroups) is changed with the machine lock held and put back before place_run() returns, or by the guardian
 * (machine.h) when the test is killed. What is a process's (mounts, rlimits, membership of a cgroup) is set in a child
 * of its own and ends with it. The child does not outlive its parent and is not waited for longer than PLACE_SECONDS.
 *
 * Two places are felt by others on the machine while they last: under overcommit_memory=2 nobody can map far more than
 * there is (sanitizers do), and max_map_count is everybody's. Keep such children short.
 */
#ifndef TEST_LIB_PLACE_H
#define TEST_LIB_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "test/lib/machine.h"

#define PLACE_SECONDS 120
#define PLACE_SECONDS_FELT 20

/* Where a place's filesystems are mounted, seen by its child only. */
#define PLACE_DIRECTORY "/run/lock/fallow-place"
#define PLACE_TMPFS PLACE_DIRECTORY "/tmpfs"
#define PLACE_HUGETLBFS PLACE_DIRECTORY "/hugetlbfs"
#define PLACE_EXT4 PLACE_DIRECTORY "/ext4"

/* For huge_2m and huge_1g: a pool without a page. */
#define PLACE_NO_PAGES (-1L)
/* For hugetlbfs: a mount whose only limit is the pool. */
#define PLACE_UNSIZED ((size_t)-1)

struct place {
	long huge_2m;          /* pages of 2 MiB in the system's pool, all free */
	long huge_1g;          /* pages of 1 GiB */
	size_t hugetlb_cgroup; /* bytes of 2 MiB pages for the child */
	size_t memory_cgroup;  /* bytes for the child, page cache included */
	size_t swap;           /* bytes of swap, used before any that the machine has; others may be put there meanwhile */
	size_t tmpfs;          /* bytes of an empty tmpfs at PLACE_TMPFS */
	size_t hugetlbfs;      /* bytes of an empty hugetlbfs of 2 MiB pages at PLACE_HUGETLBFS */
	size_t ext4;           /* bytes of an image with an empty ext4 at PLACE_EXT4 */
	size_t address_space;  /* bytes, RLIMIT_AS */
	size_t data;           /* bytes, RLIMIT_DATA */
	size_t file_size;      /* bytes, RLIMIT_FSIZE; SIGXFSZ is ignored */
	/*
	 * Bytes that the child can still commit when it starts, with overcommit_memory=2. Only the child is that poor: it
	 * has no CAP_SYS_ADMIN, and what the system keeps for those who have it is raised by as much as others may want.
	 */
	size_t commit;
	long map_count;        /* vm.max_map_count */
	int seconds;           /* how long the child may run; 0: PLACE_SECONDS, less where others feel the place */
};

/* What became of a child; the machine is as it was before. */
enum place_end {
	PLACE_EXITED, /* value: exit status */
	PLACE_KILLED, /* value: signal */
	PLACE_HUNG,   /* killed when its seconds were over */
	PLACE_LACKS,  /* not started: this machine cannot be such a place; reason says why */
};

struct place_result {
	enum place_end end;
	int value;
	char reason[200];
};

typedef void place_fn(void *argument);

/* Run fn in a child in the place; the child exits 0 when fn returns. Ends the test when the machine cannot be put back. */
struct place_result place_run(const struct place *place, place_fn *fn, void *argument);

/* A place_fn: argument is an argv to execute, found along PATH. */
void place_execute(void *argv);

#define HUGE_2M "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HUGE_1G "/sys/kernel/mm/hugepages/hugepages-1048576kB/"

/* Bytes of 2 MiB pages in the system's pool that nobody has and nobody was promised. */
static inline long long place_free_2m(void)
{
	return (test_machine_number(HUGE_2M "free_hugepages") - test_machine_number(HUGE_2M "resv_hugepages")) * (2LL << 20);
}

/* In a child, where a failed assertion of cmocka would go on with the parent's tests: say so and exit with 1. */
#define must(condition) ((condition) ? (void)0 : place_must(__FILE__, __LINE__, #condition))
#define must_equal(a, b) must_compare(==, #a " == " #b, a, b)
#define must_be_least(a, b) must_compare(>=, #a " >= " #b, a, b)
#define must_be_most(a, b) must_compare(<=, #a " <= " #b, a, b)
#define must_compare(relation, text, a, b)                                                                             \
	do {                                                                                                           \
		long long must_a = (long long)(a), must_b = (long long)(b);                                            \
		if (!(must_a relation must_b))                                                                         \
			place_must_numbers(__FILE__, __LINE__, text, must_a, must_b);                                  \
	} while (0)

_Noreturn void place_must(const char *file, int line, const char *condition);
_Noreturn void place_must_numbers(const char *file, int line, const char *condition, long long a, long long b);

#endif
