/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that dirty tracking that starts right after a snapshot's last page was copied tells of no page that nobody wrote to,
 * although the snapshot's server was still about to let one go: the kernel would take away the new protection (6.18).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <fallow/fallow.h>

#include <linux/userfaultfd.h>

#include "os/os.h"
#include "test/lib/test.h"

#define LENGTH FL_MIB

/* How long the server takes to let a page go: longer than the rest of the image takes. */
#define SLOWNESS_MS 300

static bool slow;    /* atomic: from now on */
static bool in_hand; /* atomic */

static void nap(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* The first to let a page go is the server: the copier is held up by its reader. */
static int slow_down(enum fl_os_call call, int detail)
{
	if (call == FL_OS_IOCTL && detail == (int)UFFDIO_WRITEPROTECT && __atomic_load_n(&slow, __ATOMIC_ACQUIRE) &&
	    !__atomic_exchange_n(&in_hand, true, __ATOMIC_ACQ_REL))
		nap(SLOWNESS_MS);
	return 0;
}

static void *write_to_it(void *page)
{
	*(volatile char *)page = 2;
	return NULL;
}

static void read_all(int fd)
{
	char buffer[4096];

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
}

static void of_pages_that_the_server_had_in_hand(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_dirty_range range;
	struct fallow_snapshot *snapshot;
	struct fallow_map *map;
	pthread_t writer;
	size_t n = 1;
	int image[2];

	(void)state;
	options.length = LENGTH;
	assert_int_equal(fallow_map_create(&options, &map), 0);
	memset(fallow_map_base(map), 1, LENGTH);
	fl_os_fault = slow_down;
	assert_int_equal(pipe2(image, O_CLOEXEC), 0);
	int result = fallow_snapshot_take(map, image[1], NULL, &snapshot);
	close(image[1]);
	if (result == -EPERM || result == -EOPNOTSUPP) {
		print_message("skipped: no snapshots here\n");
		skip();
	}
	assert_int_equal(result, 0);

	/* The first page is copied, but the pipe is too small for the image to end. */
	nap(50);
	__atomic_store_n(&slow, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&writer, NULL, write_to_it, fallow_map_base(map)), 0);
	while (!__atomic_load_n(&in_hand, __ATOMIC_ACQUIRE))
		nap(1);
	read_all(image[0]);
	pthread_join(writer, NULL);

	result = fallow_dirty_start(map);
	nap(2 * SLOWNESS_MS);
	if (result == 0) {
		assert_int_equal(fallow_dirty_collect(map, 0, LENGTH, &range, &n), 0);
		assert_int_equal(n, 0);
	} else {
		assert_int_equal(result, -EOPNOTSUPP);
	}
	assert_int_equal(fallow_snapshot_wait(snapshot), 0);
	fl_os_fault = NULL;
	assert_int_equal(fallow_map_destroy(map), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_pages_that_the_server_had_in_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
