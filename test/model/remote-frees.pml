/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How blocks freed by other threads come home (src/cache/remote.c), while caches are parked, taken over, and robbed of
 * slabs (src/cache/threads.c, adopt() in src/cache/alloc.c), in every order.
 *
 * Kept: outboxes by owner, a batch sent by one compare-and-swap, an inbox taken as a whole by one exchange, the owner looked up
 * when a slot is freed and once more when it arrives, sending on, and the arena's lock around parking, adoption and
 * taking over. An owner at work takes no lock, as in the process heap.
 *
 * Left out: all but one slab; its memory, lists and counts, of which the number of free slots stands for all; full outboxes;
 * fork; the order in which processors see stores. What is read here one step after the other rests in the source on
 * three pairs: release and acquire of an inbox, of the arena's lock, and of a cache's place in the table of ids.
 *
 * Proves that nobody frees into a slab that another is at work on, or a slot twice, and that at last every slot is home.
 */

#define A 0
#define B 1
#define NONE 15
#define NSLOTS 3
#define NTHREADS 4

byte owner = A;            /* of the slab: what the address map says */
byte inbox[2] = NONE;
byte next[NSLOTS] = NONE;
bool live[NSLOTS] = true;
byte nfree;                /* of the slab */
bool at_work;              /* somebody is changing the slab */
byte users[2];             /* who are changing the cache */
bool parked[2];
bool locked;
byte ndone;

inline take_lock() { atomic { !locked -> locked = true } }
inline put_lock() { locked = false }

inline begin(cache) { users[cache]++; assert(users[cache] == 1) }
inline end(cache) { users[cache]-- }

/* A list from first to last. */
inline send(to, first, last)
{
	head = inbox[to];
	do
	:: true ->
		next[last] = head;
#ifdef LOSE_A_BATCH
		inbox[to] = first;
		break
#else
		atomic {
			if
			:: inbox[to] == head -> inbox[to] = first; break
			:: else -> head = inbox[to]
			fi
		}
#endif
	od
}

inline free_own(freed)
{
	assert(!at_work);
	at_work = true;
	assert(live[freed]);
	live[freed] = false;
	nfree++;
	at_work = false
}

inline take_inbox(cache)
{
	atomic { list = inbox[cache]; inbox[cache] = NONE }
	do
	:: list == NONE -> break
	:: else ->
		slot = list;
		list = next[slot];
		id = owner;
		if
#ifdef DO_NOT_SEND_ON
		:: true -> free_own(slot)
#else
		:: id == cache -> free_own(slot)
		:: else -> send(id, slot, slot)
#endif
		fi
	od;
	slot = NONE; list = NONE; id = NONE; head = NONE
}

inline park(cache)
{
	take_lock();
	parked[cache] = true;
	put_lock()
}

/* Frees two slots of others, in one batch where they have one owner. */
proctype freer()
{
	byte head, one, other;

	one = owner;
	other = owner;
	if
	:: one == other -> next[1] = 0; send(one, 1, 0)
	:: else -> send(one, 0, 0); send(other, 1, 1)
	fi;
	ndone++
}

/* The slab's first owner: frees the third slot, and ends. */
proctype ender()
{
	byte slot, list, id, head;

	begin(A);
	free_own(2);
	take_inbox(A);
	end(A);
	park(A);
	ndone++
}

/* Out of slots: takes the slab over from a parked cache, if one has it, and ends. */
proctype adopter()
{
	byte slot, list, id, head;

	begin(B);
	take_inbox(B);
	end(B);
#ifdef ADOPT_WITHOUT_LOCK
	if
#else
	take_lock();
	if
#endif
	:: parked[A] ->
		begin(A);
		take_inbox(A);
		if
		:: nfree > 0 && owner == A -> assert(!at_work); owner = B
		:: else
		fi;
		end(A)
	:: else
	fi;
#ifndef ADOPT_WITHOUT_LOCK
	put_lock();
#endif
	begin(B);
	take_inbox(B);
	end(B);
	park(B);
	ndone++
}

/* A new thread: takes a parked cache over, if there is one, and ends. */
proctype newcomer()
{
	byte slot, list, id, head, mine = NONE;

	take_lock();
	if
	:: parked[A] -> parked[A] = false; mine = A
	:: parked[B] -> parked[B] = false; mine = B
	:: else
	fi;
	put_lock();
	if
	:: mine != NONE ->
		begin(mine);
		take_inbox(mine);
		end(mine);
		park(mine)
	:: else
	fi;
	ndone++
}

/* Each cache is used once more, twice, as a slot may have to be sent on. */
proctype last()
{
	byte slot, list, id, head;

	ndone == NTHREADS;
	take_inbox(A);
	take_inbox(B);
	take_inbox(A);
	assert(inbox[A] == NONE && inbox[B] == NONE);
	assert(nfree == NSLOTS && !live[0] && !live[1] && !live[2])
}

init
{
	atomic { run freer(); run ender(); run adopter(); run newcomer(); run last() }
}
