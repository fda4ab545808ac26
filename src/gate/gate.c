/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases and answers.
 */
#include "gate/gate.h"

#include <errno.h>

#include "gate/headroom.h"
#include "os/lock.h"
#include "os/os.h"

/* What a process may have before anything is read. */
#define FIRST_LEASE FL_MIB

/* A lease is this part of the room beyond the margin. */
#define LEASE_SHARE 8
#define LEASE_MOST (4 * FL_GIB)
#define LEASE_MS 100
#define LEASE_UNLIMITED_MS 1000

/* How old the knowledge may be which group the process is in. */
#define GROUP_MS 1000

/*
 * Parts of a limit that are kept, and what they are at least and at most: below the floor nothing comes in, above it
 * some is for small blocks only, and so much of what is page cache stays.
 */
#define FLOOR_PART 256
#define FLOOR_LEAST (FL_MIB / 4 * 3)
#define FLOOR_MOST (16 * FL_MIB)
#define FOR_SMALL_BLOCKS (FL_MIB / 2)
#define CACHE_FLOORS 4
#define MARGIN_PART 8
#define MARGIN_LEAST (6 * FL_MIB)
#define MARGIN_MOST (256 * FL_MIB)

/* Of page cache that was read again lately this much is left to its readers; it counts half after each of these times. */
#define WANTED_PART 4
#define WANTED_MOST (16 * FL_MIB)
#define WANTED_MS 4000

/* Before so much of it goes, those who read it get this time to show, once in WANTED_MS. */
#define READERS_MS 20

struct fl_gate_lease fl_gate_lease = { FIRST_LEASE, UINT64_MAX };

static struct {
	struct fl_lock lock;
	bool limited;      /* atomic */
	bool narrow;       /* atomic */
	bool found;        /* group is good */
	bool looked;       /* once at least */
	uint64_t found_at; /* milliseconds */
	uint64_t others;   /* resident bytes that are not the regions', as of the first look */
	uint64_t untouched; /* bytes handed out and not resident yet, as last read */
	uint64_t wanted;    /* bytes of page cache that were reclaimed and read again lately */
	uint64_t wanted_at; /* milliseconds, when it was halved last */
	uint64_t waited_at; /* milliseconds, when readers got time to show */
	struct fl_headroom headroom;
	struct fl_cgroup group;
	struct fl_lines lines;
} gate = { .lock = FL_LOCK_INIT(FL_RANK_GATE) };

static uint64_t part(uint64_t limit, uint64_t divisor, uint64_t least, uint64_t most)
{
	return fl_min(fl_max(limit / divisor, least), most);
}

static uint64_t floor_of(const struct fl_headroom *headroom)
{
	return part(headroom->limit, FLOOR_PART, FLOOR_LEAST, FLOOR_MOST);
}

static void find_group(uint64_t now)
{
	if (gate.looked && now - gate.found_at < GROUP_MS)
		return;
	int error = fl_cgroup_find("", &gate.lines, &gate.group);
	/* For want of a descriptor what was found before is good enough. */
	if (error == 0 || error == -ENOENT)
		gate.found = error == 0;
	else
		fl_headroom_complain("/proc/thread-self/cgroup", error);
	gate.found_at = now;
}

/* Bytes that were handed out and are not resident yet. */
static uint64_t count_untouched(const struct fl_gate_request *request)
{
	uint64_t lazy = 0, strict = 0;

	request->count(&lazy, &strict);
	if (lazy == 0)
		return 0;
	uint64_t resident = fl_headroom_resident("", &gate.lines);
	if (!gate.looked)
		gate.others = resident > lazy + strict ? resident - lazy - strict : 0;
	uint64_t touched = resident > strict + gate.others ? resident - strict - gate.others : 0;
	return lazy > touched ? lazy - touched : 0;
}

/*
 * before: the last reading. What is read again in a group that has room costs nobody here anything. It counts twice, for as
 * much is on its way behind it.
 */
static void count_wanted(const struct fl_headroom *before, uint64_t now)
{
	uint64_t ntimes = (now - gate.wanted_at) / WANTED_MS;
	const struct fl_headroom *after = &gate.headroom;

	gate.wanted = ntimes < 64 ? gate.wanted >> ntimes : 0;
	gate.wanted_at += ntimes * WANTED_MS;
	if (gate.looked && after->group == before->group && after->refaulted > before->refaulted)
		gate.wanted = fl_min(gate.wanted + fl_min(2 * (after->refaulted - before->refaulted), WANTED_MOST), WANTED_MOST);
}

static void read_all(const struct fl_gate_request *request, uint64_t now)
{
	const struct fl_headroom before = gate.headroom;

	find_group(now);
	fl_headroom_read("", &gate.lines, gate.found ? &gate.group : NULL, &gate.headroom);
	count_wanted(&before, now);
	gate.untouched = count_untouched(request);
	gate.looked = true;
	__atomic_store_n(&gate.limited, gate.headroom.limited, __ATOMIC_RELAXED);
}

/* What must still fit when nbytes come in. */
static uint64_t needed(const struct fl_gate_request *request, uint64_t nbytes)
{
	uint64_t others = gate.untouched - fl_min(gate.untouched, request->counted), sum;

	return __builtin_add_overflow(others, nbytes, &sum) ? UINT64_MAX : sum;
}

static uint64_t wanted_at_most(void)
{
	return fl_min(WANTED_MOST, gate.headroom.limit / WANTED_PART);
}

/* Bytes of page cache that are its readers' to keep. What they read is not theirs only: it may all be on its way, and locked. */
static uint64_t wanted_cache(void)
{
	return fl_min(gate.wanted, wanted_at_most());
}

static bool leaves(uint64_t room, uint64_t need, uint64_t kept)
{
	return room >= kept && room - kept >= need;
}

/*
 * Whether nbytes fit. Where page cache must make room for them, more than the floor is kept: others may be using it, and
 * who finds too little of it to run in calls the killer as well.
 */
static bool fits(const struct fl_gate_request *request, uint64_t nbytes, bool cache_counts)
{
	uint64_t need = needed(request, nbytes), floor = floor_of(&gate.headroom);

	if (leaves(gate.headroom.hard, need, request->vital ? floor : floor + FOR_SMALL_BLOCKS))
		return true;
	return cache_counts && leaves(gate.headroom.room, need, CACHE_FLOORS * floor + wanted_cache());
}

/*
 * Who takes all there is within milliseconds may be through before those who read the cache that goes for it have run once.
 * So they get time before what they could need goes, and show by what they read again.
 */
static void wait_for_readers(const struct fl_gate_request *request, uint64_t *now)
{
	const struct fl_headroom *headroom = &gate.headroom;
	uint64_t need = needed(request, request->least), floor = floor_of(headroom);
	uint32_t nobody = 0;

	if (headroom->group == 0 || leaves(headroom->hard, need, floor + FOR_SMALL_BLOCKS) ||
	    leaves(headroom->room, need, CACHE_FLOORS * floor + wanted_at_most()) || *now - gate.waited_at < WANTED_MS)
		return;
	fl_os_futex_wait_for(&nobody, 0, READERS_MS);
	*now = fl_os_clock_ms();
	gate.waited_at = *now;
	read_all(request, *now);
}

static void take_lease(uint64_t spare, uint64_t now)
{
	uint64_t length = gate.headroom.limited ? LEASE_MS : LEASE_UNLIMITED_MS;

	__atomic_store_n(&fl_gate_lease.left, (int64_t)fl_min(spare / LEASE_SHARE, LEASE_MOST), __ATOMIC_RELAXED);
	__atomic_store_n(&fl_gate_lease.until, now + length, __ATOMIC_RELAXED);
}

static enum fl_gate_answer answer(const struct fl_gate_request *request, uint64_t now)
{
	const struct fl_headroom *headroom = &gate.headroom;
	uint64_t need = needed(request, request->nbytes);
	uint64_t margin = part(headroom->limit, MARGIN_PART, MARGIN_LEAST, MARGIN_MOST);

	margin += wanted_cache();
	if (!headroom->unsure && leaves(headroom->room, need, margin)) {
		take_lease(headroom->room - margin - need, now);
		return FL_GATE_OPEN;
	}
	__atomic_store_n(&fl_gate_lease.left, 0, __ATOMIC_RELAXED);
	/* Where no group has a limit, programs that touch little of what they allocate go on as ever. */
	if (request->counted != 0 && !headroom->limited && !headroom->unsure)
		return FL_GATE_OPEN;
	return fits(request, request->least, true) ? FL_GATE_NARROW : FL_GATE_SHUT;
}

enum fl_gate_answer fl_gate_enter(const struct fl_gate_request *request, struct fl_failure *failure)
{
	uint64_t now = fl_os_clock_ms();

	fl_lock_take(&gate.lock);
	read_all(request, now);
	wait_for_readers(request, &now);
	enum fl_gate_answer result = answer(request, now);
	__atomic_store_n(&gate.narrow, result != FL_GATE_OPEN, __ATOMIC_RELAXED);
	if (result == FL_GATE_SHUT)
		*failure = fl_gate_failure(0);
	if (result != FL_GATE_NARROW)
		fl_lock_put(&gate.lock);
	return result;
}

void fl_gate_leave(void)
{
	fl_lock_put(&gate.lock);
}

void fl_gate_took(size_t nbytes)
{
	gate.headroom.room -= fl_min(gate.headroom.room, nbytes);
	gate.headroom.hard -= fl_min(gate.headroom.hard, nbytes);
}

bool fl_gate_lets_unproven(const struct fl_gate_request *request, size_t nbytes, int error)
{
	return fits(request, nbytes, error != -EBUSY);
}

bool fl_gate_fits(const struct fl_gate_request *request, size_t nbytes)
{
	read_all(request, fl_os_clock_ms());
	return fits(request, nbytes, true);
}

struct fl_failure fl_gate_failure(int error)
{
	return (struct fl_failure){ gate.headroom.reason, error };
}

uint64_t fl_gate_room(void)
{
	fl_lock_take(&gate.lock);
	uint64_t room = gate.headroom.room;
	fl_lock_put(&gate.lock);
	return room;
}

bool fl_gate_is_limited(void)
{
	return __atomic_load_n(&gate.limited, __ATOMIC_RELAXED);
}

bool fl_gate_is_narrow(void)
{
	return __atomic_load_n(&gate.narrow, __ATOMIC_RELAXED);
}

void fl_gate_fork_child(void)
{
	fl_lock_init(&gate.lock, FL_RANK_GATE);
	if (fl_gate_lease.left > (int64_t)FIRST_LEASE)
		fl_gate_lease.left = FIRST_LEASE;
}
