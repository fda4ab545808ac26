/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last failure. Kept in 16 bytes of thread-local storage, because a preloaded library has little of it.
 */
#include "diag/failure.h"

#include "os/os.h"

struct kept {
	uint64_t requested;
	uint32_t time_ms; /* low half of the clock */
	uint8_t reason;
	uint8_t error;
};

static __thread struct kept last FL_PURE_TLS;
static uint64_t count;

void fl_failure_keep(struct fl_failure failure, size_t requested)
{
	int error = failure.error < 0 ? -failure.error : failure.error;

	__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	last = (struct kept){ requested, (uint32_t)fl_os_clock_ms_exact(), (uint8_t)failure.reason, (uint8_t)error };
}

uint64_t fl_failure_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

int fallow_last_failure(struct fallow_failure *failure)
{
	uint64_t now = fl_os_clock_ms_exact();
	uint32_t age = (uint32_t)now - last.time_ms;

	*failure = (struct fallow_failure){
		.reason = (enum fallow_reason)last.reason,
		.error = last.error,
		.requested = last.requested,
		.time_ms = last.reason == FALLOW_REASON_NONE ? 0 : now - age,
	};
	return 0;
}

static const char *const texts[] = {
	[FALLOW_REASON_NONE] = "none",
	[FALLOW_REASON_POOL_EMPTY] = "huge-page pool empty",
	[FALLOW_REASON_HUGETLB_CGROUP] = "hugetlb cgroup limit",
	[FALLOW_REASON_MEMORY_CGROUP] = "memory cgroup limit",
	[FALLOW_REASON_TMPFS_FULL] = "tmpfs full",
	[FALLOW_REASON_DISK_FULL] = "disk full",
	[FALLOW_REASON_ARENA_LIMIT] = "arena limit",
	[FALLOW_REASON_RLIMIT] = "resource limit (ulimit)",
	[FALLOW_REASON_COMMIT_LIMIT] = "commit limit (vm.overcommit_memory=2)",
	[FALLOW_REASON_MAP_COUNT] = "too many mappings (vm.max_map_count)",
	[FALLOW_REASON_SYSTEM_MEMORY] = "system memory exhausted",
	[FALLOW_REASON_ADDRESS_SPACE] = "address space reservation used up",
	[FALLOW_REASON_TOO_LARGE] = "size beyond PTRDIFF_MAX",
	[FALLOW_REASON_FAULT] = "mapping refuses to be populated",
	[FALLOW_REASON_MAP_LIMIT] = "map limit",
};

const char *fallow_reason_text(enum fallow_reason reason)
{
	return (unsigned int)reason < FL_LENGTH(texts) ? texts[reason] : "unknown";
}
