/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transparent huge pages: huge pages for ordinary memory, without a pool.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "cli/doctor.h"
#include "cli/text.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

static void check_enabled(struct fl_report *report)
{
	char choice[32];

	fl_file_choice(THP "enabled", choice, sizeof(choice));
	if (strcmp(choice, "never") == 0) {
		fl_report_add(report, FL_PROBLEM, "thp.enabled", "never: ordinary memory gets no huge pages");
		fl_report_advise(report, "as root: echo madvise >" THP "enabled");
	} else if (choice[0] == '\0') {
		fl_report_add(report, FL_PROBLEM, "thp.enabled", "this kernel has no transparent huge pages, or hides " THP);
		fl_report_advise(report, "a kernel with CONFIG_TRANSPARENT_HUGEPAGE");
	} else {
		fl_report_add(report, FL_OK, "thp.enabled", "%s: ordinary memory gets huge pages%s", choice,
			      strcmp(choice, "madvise") == 0 ? " where fallow asks for them" : "");
	}
}

static void check_process(struct fl_report *report)
{
	if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1)
		return;
	fl_report_add(report, FL_PROBLEM, "thp.process", "switched off for this process and those it starts (PR_SET_THP_DISABLE)");
	fl_report_advise(report, "see what started this shell: a service with MemoryTHP=disable, or a container's runtime");
}

static void check_defrag(struct fl_report *report)
{
	char choice[32];

	fl_file_choice(THP "defrag", choice, sizeof(choice));
	if (choice[0] == '\0')
		return;
	if (strcmp(choice, "never") == 0 || strcmp(choice, "defer") == 0) {
		fl_report_add(report, FL_NOTE, "thp.defrag",
			      "%s: a huge page comes only if one is free at that moment", choice);
		fl_report_advise(report, "as root: echo madvise >" THP "defrag");
	} else {
		fl_report_add(report, FL_OK, "thp.defrag", "%s: the kernel makes room for huge pages", choice);
	}
}

static void check_shmem(struct fl_report *report)
{
	char choice[32];

	fl_file_choice(THP "shmem_enabled", choice, sizeof(choice));
	if (choice[0] == '\0')
		return;
	if (strcmp(choice, "never") == 0 || strcmp(choice, "deny") == 0) {
		fl_report_add(report, FL_NOTE, "thp.shmem", "%s: memfds get huge pages from a pool only", choice);
		fl_report_advise(report, "as root: echo advise >" THP "shmem_enabled");
	} else {
		fl_report_add(report, FL_OK, "thp.shmem", "%s: memfds may have huge pages", choice);
	}
}

/* Whether a unit of memory that is advised to be huge and then touched becomes so. */
static bool try_huge(size_t unit)
{
	char *memory = mmap(NULL, 2 * unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before = 0, after = 0;

	if (memory == MAP_FAILED)
		return false;
	fl_file_field("/proc/self/smaps_rollup", "AnonHugePages:", &before);
	volatile char *whole = memory + (-(uintptr_t)memory & (unit - 1));
	madvise((void *)whole, unit, MADV_HUGEPAGE);
	*whole = 1;
	fl_file_field("/proc/self/smaps_rollup", "AnonHugePages:", &after);
	munmap(memory, 2 * unit);
	return after > before;
}

static void check_trial(struct fl_report *report)
{
	uint64_t unit;
	char size[FL_SIZE_LENGTH];

	if (!fl_file_number(THP "hpage_pmd_size", &unit))
		return;
	fl_size_print(unit, size);
	if (try_huge(unit)) {
		fl_report_add(report, FL_OK, "thp.trial", "asked for one page of %s, and got it", size);
		return;
	}
	fl_report_add(report, FL_PROBLEM, "thp.trial", "asked for one page of %s, and got small ones", size);
	fl_report_advise(report, "what thp.* and memory-cgroup.* say above and below; else memory is in pieces:"
				 " as root: echo 1 >/proc/sys/vm/compact_memory");
}

void fl_doctor_thp(struct fl_report *report)
{
	check_enabled(report);
	check_process(report);
	check_defrag(report);
	check_shmem(report);
	check_trial(report);
}
