/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that units which were made inaccessible to give their commit charge back, as under vm.overcommit_memory=2, are
 * what they were when they are used again: advised to be huge, on their node, under their name, and so one mapping.
 */
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "diag/options.h"
#include "extent/extent.h"
#include "test/lib/test.h"

#define NGRANULES (4 * FL_UNIT_GRANULES)

/* What the kernel says of the mapping that an address is in. */
struct mapping {
	unsigned long start;
	unsigned long end;
	char line[400]; /* access and name */
	char flags[400];
	int policy;
	unsigned long nodes[16];
};

static struct mapping mapping_of(void *address)
{
	struct mapping mapping = { .policy = -1 };
	char line[400];
	unsigned long start, end;
	bool within = false;
	FILE *smaps = fopen("/proc/self/smaps", "r");

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		int at = 0;
		if (sscanf(line, "%lx-%lx %n", &start, &end, &at) == 2 && at > 0) {
			within = start <= (unsigned long)address && (unsigned long)address < end;
			if (within) {
				mapping.start = start;
				mapping.end = end;
				snprintf(mapping.line, sizeof(mapping.line), "%s", line + at);
			}
		} else if (within && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(mapping.flags, sizeof(mapping.flags), "%s", line);
		}
	}
	fclose(smaps);
	syscall(SYS_get_mempolicy, &mapping.policy, mapping.nodes, sizeof(mapping.nodes) * 8, address, MPOL_F_ADDR);
	return mapping;
}

static void use(struct fl_region *region, size_t granule)
{
	bool zero;

	assert_int_equal(fl_extent_populate(region, granule, NGRANULES, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	assert_true(zero);
	memset(fl_granule_address(region, granule), 0xa5, NGRANULES << FL_GRANULE_SHIFT);
}

static void they_open_as_they_were(void **state)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1, .name = "opened again" },
		.reserve = 64 * FL_MIB, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_ALWAYS,
	};
	struct fl_region *region;
	size_t granule;

	(void)state;
	if (access("/sys/devices/system/node/node0", F_OK) == 0)
		options.backing.node = 0;
	assert_int_equal(fl_region_create(&options, &region), 0);
	/* As if /proc/sys/vm/overcommit_memory had said 2. */
	region->uncharge = 1;
	assert_int_equal(fl_extent_take(region, NGRANULES, FL_UNIT, &granule).reason, FALLOW_REASON_NONE);
	char *address = fl_granule_address(region, granule);
	struct mapping fresh = mapping_of(address);
	assert_non_null(strstr(fresh.line, "rw-p"));
	assert_non_null(strstr(fresh.flags, " hg"));
	use(region, granule);

	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	assert_int_equal(fl_extent_purge(region, FL_PURGE_ALL), NGRANULES << FL_GRANULE_SHIFT);
	struct mapping closed = mapping_of(address);
	assert_non_null(strstr(closed.line, "---p"));

	assert_true(fl_extent_extend(region, granule, 0, NGRANULES));
	use(region, granule);
	struct mapping opened = mapping_of(address);
	assert_int_equal(opened.start, fresh.start);
	assert_true(opened.end >= (unsigned long)address + (NGRANULES << FL_GRANULE_SHIFT));
	assert_string_equal(opened.line, fresh.line);
	assert_string_equal(opened.flags, fresh.flags);
	assert_int_equal(opened.policy, fresh.policy);
	assert_memory_equal(opened.nodes, fresh.nodes, sizeof(fresh.nodes));
	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	fl_region_destroy(region);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(they_open_as_they_were) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
