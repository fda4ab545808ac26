/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How threads spend a lease of the gate and take the next one (src/gate/gate.c), in every order.
 *
 * Kept: spending by compare-and-swap without the lock, memory that comes in some time after it was spent, a reading under the
 * lock that does not see such memory yet, a new lease as a share of what it says, and narrow requests one at a time with the
 * lock held until their memory is in. Leases also end at any moment, as time passes.
 *
 * Left out: the clock, freeing, others who use memory, and sizes: memory comes in units of which a request wants one or two.
 *
 * Proves that no lease is overdrawn, and that what is in exceeds the limit less the floor by no more than one lease and what
 * others were let in with openly: that much may be on its way, unseen, when a reading finds the gate narrow.
 */

#define NTHREADS 2
#define NREQUESTS 4
#define LIMIT 10
#define MARGIN 2
#define FLOOR 1
#define SHARE 2
#define FIRST 1
#define LEASE_MOST 3
#define REQUEST_MOST 2
#define ON_ITS_WAY (LEASE_MOST + (NTHREADS - 1) * REQUEST_MOST)

byte used;         /* memory that is in */
short left = FIRST; /* of the lease */
bool locked;

inline come_in(n) { used = used + n; assert(used <= LIMIT - FLOOR + ON_ITS_WAY) }

/* Sets got. */
inline spend(n)
{
	seen = left;
	do
	:: seen < n -> got = false; break
	:: seen >= n ->
#ifdef CHECK_THEN_SUBTRACT
		left = left - n;
		assert(left >= 0);
		got = true;
		break
#else
		atomic {
			if
			:: left == seen -> left = left - n; got = true; break
			:: else -> seen = left
			fi
		}
#endif
	od
}

/* The lock is held where it says narrow. */
inline enter(n)
{
	atomic { !locked -> locked = true };
	room = (used < LIMIT -> LIMIT - used : 0);
	if
	:: room >= n + MARGIN ->
		left = (room - n - MARGIN) / SHARE;
		locked = false;
		come_in(n)
	:: else ->
		left = 0;
		if
		:: room >= n + FLOOR -> come_in(n)
		:: else
		fi;
		locked = false
	fi
}

proctype thread()
{
	byte i, room, n;
	short seen;
	bool got;

	for (i : 1 .. NREQUESTS) {
		if
		:: n = 1
		:: n = 2
		fi;
		spend(n);
		if
		:: got -> come_in(n)
		:: got -> got = false; enter(n) /* the time is over after all */
		:: else -> enter(n)
		fi;
		/* What is not looked at any more makes no state of its own. */
		n = 0; seen = 0; room = 0; got = false
	}
}

init
{
	byte i;

	atomic { for (i : 1 .. NTHREADS) { run thread() } }
}
