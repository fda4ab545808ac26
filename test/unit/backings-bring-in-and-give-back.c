/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of backing on ordinary pages that populate brings in every page of its range and no other, that
 * discard gives memory and storage back and leaves zeros, and what a backing refuses to be made from. On a small tmpfs, a
 * populate that does not fit leaves nothing of itself behind, and what was there before stays.
 */
#include <errno.h>

#include "test/lib/lives.h"
#include "test/unit/site.h"

#define LENGTH ((size_t)1 << 20)
#define FROM ((size_t)256 << 10)
#define PART ((size_t)512 << 10)

struct kind {
	const char *name;
	enum fallow_backing kind;
	enum fallow_share share;
};

static const struct kind kinds[] = {
	{ "anon private", FALLOW_BACKING_ANON, FALLOW_SHARE_PRIVATE },
	{ "anon shared", FALLOW_BACKING_ANON, FALLOW_SHARE_SHARED },
	{ "memfd shared", FALLOW_BACKING_MEMFD, FALLOW_SHARE_SHARED },
	{ "memfd private", FALLOW_BACKING_MEMFD, FALLOW_SHARE_PRIVATE },
	{ "file shared", FALLOW_BACKING_FILE, FALLOW_SHARE_SHARED },
	{ "file private", FALLOW_BACKING_FILE, FALLOW_SHARE_PRIVATE },
};

static struct fl_backing_options options_of(const struct kind *kind, enum fallow_populate populate)
{
	struct fl_backing_options options = {
		.kind = kind->kind, .share = kind->share, .populate = populate, .fd = -1, .own_fd = true, .node = -1,
	};

	if (kind->kind == FALLOW_BACKING_FILE) {
		FILE *file = tmpfile();
		must(file != NULL);
		options.fd = dup(fileno(file));
		fclose(file);
	}
	return options;
}

static void open_kind(struct site *site, const struct kind *kind, enum fallow_populate populate)
{
	struct fl_backing_options options = options_of(kind, populate);

	site_open(site, &options, LENGTH);
}

static void populate_brings_in_its_range(void **state)
{
	static const enum fallow_populate modes[] = { FALLOW_POPULATE_AUTO, FALLOW_POPULATE_WRITE, FALLOW_POPULATE_READ };
	size_t page = fl_os_page_size();
	struct site site;

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(kinds); i++) {
		for (size_t j = 0; j < FL_LENGTH(modes); j++) {
			open_kind(&site, &kinds[i], modes[j]);
			assert_int_equal(site_pages(&site, 0, LENGTH), 0);
			assert_int_equal(site_populate(&site, FROM, PART).reason, FALLOW_REASON_NONE);
			assert_int_equal(site_pages(&site, FROM, PART), PART / page);
			assert_int_equal(site_pages(&site, 0, LENGTH), PART / page);
			assert_true(site_reads(&site, FROM, PART, 0));
			site_write(&site, FROM, PART, 0xa5);
			assert_true(site_reads(&site, FROM, PART, 0xa5));
			site_close(&site);
		}
	}
}

static void allocate_promises_storage(void **state)
{
	struct site site;

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(kinds); i++) {
		if (kinds[i].kind == FALLOW_BACKING_ANON || kinds[i].share == FALLOW_SHARE_PRIVATE)
			continue;
		open_kind(&site, &kinds[i], FALLOW_POPULATE_ALLOCATE);
		assert_int_equal(site_populate(&site, FROM, PART).reason, FALLOW_REASON_NONE);
		assert_in_range(site_storage(&site), PART, PART + 64 * FL_KIB);
		assert_int_equal(site_pages(&site, 0, LENGTH), 0);
		assert_int_equal(site_discard(&site, FROM, PART), 0);
		assert_in_range(site_storage(&site), 0, 64 * FL_KIB);
		site_close(&site);
	}
}

static void none_brings_in_nothing(void **state)
{
	struct site site;

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(kinds); i++) {
		open_kind(&site, &kinds[i], FALLOW_POPULATE_NONE);
		assert_int_equal(site_populate(&site, 0, LENGTH).reason, FALLOW_REASON_NONE);
		assert_int_equal(site_pages(&site, 0, LENGTH), 0);
		site_close(&site);
	}
}

/* Pages, and storage where there is a file, are gone; what is beside the range is not. */
static void discard_gives_back_and_zeroes(void **state)
{
	size_t page = fl_os_page_size();
	struct site site;

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(kinds); i++) {
		open_kind(&site, &kinds[i], FALLOW_POPULATE_WRITE);
		assert_int_equal(site_populate(&site, 0, LENGTH).reason, FALLOW_REASON_NONE);
		site_write(&site, 0, LENGTH, 0x5a);
		assert_int_equal(site_discard(&site, FROM, PART), 0);
		assert_int_equal(site_pages(&site, FROM, PART), 0);
		assert_int_equal(site_pages(&site, 0, LENGTH), (LENGTH - PART) / page);
		if (site.backing.fd >= 0)
			assert_in_range(site_storage(&site), 0, LENGTH - PART + 64 * FL_KIB);
		assert_true(site_reads(&site, 0, FROM, 0x5a));
		assert_true(site_reads(&site, FROM, PART, 0));
		assert_true(site_reads(&site, FROM + PART, LENGTH - FROM - PART, 0x5a));
		/* And comes in again. */
		assert_int_equal(site_discard(&site, FROM, PART), 0);
		assert_int_equal(site_populate(&site, FROM, PART).reason, FALLOW_REASON_NONE);
		assert_int_equal(site_pages(&site, 0, LENGTH), LENGTH / page);
		site_close(&site);
	}
}

static void occupied_places_are_left_alone(void **state)
{
	struct fl_backing_options options = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 };
	struct site site;

	(void)state;
	site_open(&site, &options, LENGTH);
	site_write(&site, 0, LENGTH, 1);
	struct fl_failure failure = fl_backing_activate(&site.backing, (void *)(site.base + FROM), PART, FROM);
	assert_int_equal(failure.reason, FALLOW_REASON_ADDRESS_SPACE);
	assert_int_equal(failure.error, -EEXIST);
	assert_true(site_reads(&site, 0, LENGTH, 1));
	site_close(&site);
}

static void assert_refused(struct fl_backing_options options, int expected)
{
	struct fl_backing backing;

	assert_int_equal(fl_backing_create(&backing, &options), expected);
}

static int nopen(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void impossible_backings_are_refused(void **state)
{
	int pipes[2], nbefore = nopen();

	(void)state;
	assert_refused((struct fl_backing_options){ .kind = (enum fallow_backing)9, .node = -1 }, -EINVAL);
	assert_refused((struct fl_backing_options){ .share = (enum fallow_share)9, .node = -1 }, -EINVAL);
	assert_refused((struct fl_backing_options){ .populate = (enum fallow_populate)9, .node = -1 }, -EINVAL);
	assert_refused((struct fl_backing_options){ .page_size = 3 * FL_MIB, .node = -1 }, -EINVAL);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_HUGETLB, .page_size = 3 * FL_MIB, .node = -1 },
		       -EINVAL);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_MEMFD, .page_size = 4 * FL_TIB, .node = -1 },
		       -EINVAL);
	assert_refused((struct fl_backing_options){ .populate = FALLOW_POPULATE_ALLOCATE, .node = -1 }, -EOPNOTSUPP);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_MEMFD, .share = FALLOW_SHARE_PRIVATE,
						    .populate = FALLOW_POPULATE_ALLOCATE, .node = -1 },
		       -EOPNOTSUPP);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_FILE, .fd = -1, .node = -1 }, -EBADF);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_FILE, .fd = -1, .own_fd = true, .node = -1 },
		       -EBADF);
	int fd = open("/proc/self/exe", O_RDONLY);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_FILE, .fd = fd, .node = -1 }, -EACCES);
	/* One that is given away is closed. */
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_FILE, .fd = fd, .own_fd = true, .node = -1 },
		       -EACCES);
	assert_int_equal(pipe(pipes), 0);
	assert_refused((struct fl_backing_options){ .kind = FALLOW_BACKING_FILE, .fd = pipes[1], .node = -1 }, -ENODEV);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(nopen(), nbefore);
}

/* mbind fails from so many calls on. */
static int nbinds;

static int refuse_binds(enum fl_os_call call, int detail)
{
	(void)detail;
	return call == FL_OS_MBIND && nbinds-- <= 0 ? -EPERM : 0;
}

static void nodes_that_cannot_be_bound_are_errors(void **state)
{
	struct fl_backing_options options = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = 0 };
	struct fl_backing backing;
	uintptr_t base;

	(void)state;
	if (access("/sys/devices/system/node/node0", F_OK) != 0) {
		printf("skipped: this kernel knows no nodes\n");
		skip();
	}
	assert_int_equal(fl_claim_take(LENGTH, &base), 0);
	fl_os_fault = refuse_binds;
	nbinds = 0;
	assert_int_equal(fl_backing_create(&backing, &options), -EPERM);
	nbinds = 1;
	assert_int_equal(fl_backing_create(&backing, &options), 0);
	struct fl_failure failure = fl_backing_activate(&backing, (void *)base, LENGTH, 0);
	assert_int_equal(failure.reason, FALLOW_REASON_FAULT);
	assert_int_equal(failure.error, -EPERM);
	/* Nothing is left in the way. */
	fl_os_fault = NULL;
	assert_int_equal(fl_backing_activate(&backing, (void *)base, LENGTH, 0).reason, FALLOW_REASON_NONE);
	munmap((void *)base, LENGTH);
	fl_backing_destroy(&backing);
	fl_claim_put(base, LENGTH);
}

#define TMPFS_SIZE ((size_t)256 << 10)

/* Half of the mount is in use when a populate of twice the mount fails. */
static void fail_on_tmpfs(enum fallow_share share, enum fallow_populate populate)
{
	struct fl_backing_options options = {
		.kind = FALLOW_BACKING_FILE, .share = share, .populate = populate, .own_fd = true, .node = -1,
		.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600),
	};
	size_t half = TMPFS_SIZE / 2, page = fl_os_page_size();
	struct site site;

	site_open(&site, &options, 3 * TMPFS_SIZE);
	must_equal(site_populate(&site, 0, half).reason, FALLOW_REASON_NONE);
	if (populate != FALLOW_POPULATE_READ)
		site_write(&site, 0, half, 0x77);
	size_t storage = site_storage(&site), npages = site_pages(&site, 0, 3 * TMPFS_SIZE);

	must_equal(site_populate(&site, half, 2 * TMPFS_SIZE).reason, FALLOW_REASON_TMPFS_FULL);
	must_equal(site_storage(&site), storage);
	must_equal(site_pages(&site, 0, 3 * TMPFS_SIZE), npages);
	must(site_reads(&site, 0, half, populate == FALLOW_POPULATE_READ ? 0 : 0x77));
	/* What does fit still comes in. */
	must_equal(site_populate(&site, half, half).reason, FALLOW_REASON_NONE);
	must_equal(site_pages(&site, half, half), populate == FALLOW_POPULATE_ALLOCATE ? 0 : half / page);
	must_equal(site_discard(&site, 0, TMPFS_SIZE), 0);
	must_equal(site_storage(&site), 0);
	must_equal(site_populate(&site, TMPFS_SIZE, TMPFS_SIZE).reason, FALLOW_REASON_NONE);
	site_close(&site);
}

static void on_tmpfs(void *unused)
{
	(void)unused;
	fail_on_tmpfs(FALLOW_SHARE_SHARED, FALLOW_POPULATE_WRITE);
	fail_on_tmpfs(FALLOW_SHARE_SHARED, FALLOW_POPULATE_READ);
	fail_on_tmpfs(FALLOW_SHARE_SHARED, FALLOW_POPULATE_ALLOCATE);
	fail_on_tmpfs(FALLOW_SHARE_PRIVATE, FALLOW_POPULATE_WRITE);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
	struct place place = { .tmpfs = TMPFS_SIZE };

	(void)state;
	assert_lives(&place, on_tmpfs, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(populate_brings_in_its_range),
		cmocka_unit_test(allocate_promises_storage),
		cmocka_unit_test(none_brings_in_nothing),
		cmocka_unit_test(discard_gives_back_and_zeroes),
		cmocka_unit_test(occupied_places_are_left_alone),
		cmocka_unit_test(impossible_backings_are_refused),
		cmocka_unit_test(nodes_that_cannot_be_bound_are_errors),
		cmocka_unit_test(what_does_not_fit_leaves_nothing),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
