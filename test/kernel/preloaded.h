/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ordinary program fill, with fallow preloaded, in places where memory runs out.
 */
#ifndef TEST_KERNEL_PRELOADED_H
#define TEST_KERNEL_PRELOADED_H

#include <stddef.h>

#include <fallow/stats.h>

#include "test/lib/place.h"

struct preloaded {
	const char *name;
	struct place place;
	const char *conf;
	enum fallow_reason reason;
	const char *counter;
	size_t slack;
	bool others_take; /* others may take some meanwhile: up to five attempts */
};

/* Run it in each place with every size of block; main's exit status. */
int preloaded_main(const struct preloaded *preloaded, size_t npreloaded);

#endif
