/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last failures. A thread's own is kept in 16 bytes of thread-local storage, because a preloaded library has little
 * of it.
 */
#include "diag/failure.h"

#include "diag/moment.h"
#include "os/os.h"

struct kept {
	uint64_t requested;
	uint32_t time_ms; /* low half of the clock */
	uint8_t reason;
	uint8_t error;
};

static __thread struct kept last FL_PURE_TLS;
uint64_t fl_nfailures;
struct fl_failure_slot fl_failure_slots[FALLOW_NFAILURES];

/* Where another thread still writes an older one, which takes as many failures meanwhile as there are slots, it is lost. */
static void write_slot(struct fl_failure_slot *slot, uint64_t number, const struct fallow_failure_record *record)
{
	uint64_t version = __atomic_load_n(&slot->version, __ATOMIC_RELAXED);

	if (version % 2 != 0 || !__atomic_compare_exchange_n(&slot->version, &version, 2 * number - 1, false,
							     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	/* Whoever sees one of those that follow sees that version is odd, or later. */
	__atomic_store_n(&slot->time_ms, record->time_ms, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->requested, record->requested, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->headroom, record->headroom, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->reason, (uint32_t)record->reason, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->error, record->error, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->version, 2 * number, __ATOMIC_RELEASE);
}

/* False when it is another's, or changes. */
static bool read_slot(const struct fl_failure_slot *slot, uint64_t number, struct fallow_failure_record *record)
{
	if (__atomic_load_n(&slot->version, __ATOMIC_ACQUIRE) != 2 * number)
		return false;
	*record = (struct fallow_failure_record){
		.number = number,
		.time_ms = __atomic_load_n(&slot->time_ms, __ATOMIC_ACQUIRE),
		.requested = __atomic_load_n(&slot->requested, __ATOMIC_ACQUIRE),
		.headroom = __atomic_load_n(&slot->headroom, __ATOMIC_ACQUIRE),
		.reason = (enum fallow_reason)__atomic_load_n(&slot->reason, __ATOMIC_ACQUIRE),
		.error = __atomic_load_n(&slot->error, __ATOMIC_ACQUIRE),
	};
	return __atomic_load_n(&slot->version, __ATOMIC_RELAXED) == 2 * number;
}

void fl_failure_keep_with(struct fl_failure failure, size_t requested, uint64_t headroom)
{
	int error = failure.error < 0 ? -failure.error : failure.error;
	uint64_t now = fl_os_clock_ms_exact();
	uint64_t number = __atomic_add_fetch(&fl_nfailures, 1, __ATOMIC_RELAXED);

	last = (struct kept){ requested, (uint32_t)now, (uint8_t)failure.reason, (uint8_t)error };
	write_slot(&fl_failure_slots[(number - 1) % FALLOW_NFAILURES], number,
		   &(struct fallow_failure_record){ .time_ms = now, .requested = requested, .headroom = headroom,
						    .reason = failure.reason, .error = error });
	fl_moment_failure(number);
}

void fl_failure_keep(struct fl_failure failure, size_t requested)
{
	fl_failure_keep_with(failure, requested, FALLOW_HEADROOM_UNKNOWN);
}

size_t fallow_failures(struct fallow_failure_record *records, size_t nmax)
{
	uint64_t newest = __atomic_load_n(&fl_nfailures, __ATOMIC_RELAXED);
	uint64_t oldest = newest > FALLOW_NFAILURES ? newest - FALLOW_NFAILURES : 0;
	size_t n = 0;

	for (uint64_t number = newest; number > oldest && n < nmax; number--)
		n += read_slot(&fl_failure_slots[(number - 1) % FALLOW_NFAILURES], number, &records[n]);
	return n;
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

const char *const fl_reason_texts[FL_NREASONS] = {
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
	return (unsigned int)reason < FL_NREASONS ? fl_reason_texts[reason] : "unknown";
}
