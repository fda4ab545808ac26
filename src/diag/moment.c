/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sharing a page with a recorder, and waiting for it.
 */
#include "diag/moment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <fallow/live.h>

#include "os/os.h"

static struct fallow_recorder *recorder; /* NULL: none; atomic */

static const char *path_in(char **environment)
{
	static const char variable[] = FALLOW_RECORDER_VARIABLE "=";

	for (; environment && *environment; environment++)
		if (strncmp(*environment, variable, sizeof(variable) - 1) == 0)
			return *environment + sizeof(variable) - 1;
	return NULL;
}

/* The file's first page, or NULL: it cannot be opened, is shorter, or is something else. */
static struct fallow_recorder *share(const char *path)
{
	size_t page = fl_os_page_size();
	struct stat status;
	void *place = NULL;

	int fd = fl_os_open(path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	bool shared = fl_os_fstat(fd, &status) == 0 && status.st_size >= (off_t)page &&
		      fl_os_mmap(&place, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == 0;
	fl_os_close(fd);
	if (!shared)
		return NULL;
	if (memcmp(((struct fallow_recorder *)place)->magic, FALLOW_RECORDER_MAGIC, sizeof(recorder->magic)) == 0)
		return place;
	fl_os_munmap(place, page);
	return NULL;
}

/* Let the recorder look, if it wants to see this moment. A child of fork has the page too, but is not meant. */
static void tell(uint32_t moment, uint64_t failure)
{
	struct fallow_recorder *to = __atomic_load_n(&recorder, __ATOMIC_ACQUIRE);

	if (fl_likely(to == NULL) || to->pid != fl_os_process_id() ||
	    (__atomic_fetch_and(&to->wanted, ~moment, __ATOMIC_ACQ_REL) & moment) == 0)
		return;
	if (failure != 0)
		__atomic_store_n(&to->failure, failure, __ATOMIC_RELAXED);
	__atomic_fetch_or(&to->pending, moment, __ATOMIC_RELEASE);
	uint32_t number = __atomic_add_fetch(&to->asked, 1, __ATOMIC_ACQ_REL);
	fl_os_futex_wake_shared(&to->asked, 1);

	uint64_t until = fl_os_clock_ms_exact() + FALLOW_RECORDER_PATIENCE_MS;
	uint32_t answered;
	while (answered = __atomic_load_n(&to->answered, __ATOMIC_ACQUIRE), (int32_t)(answered - number) < 0) {
		uint64_t now = fl_os_clock_ms_exact();
		if (now >= until)
			return;
		fl_os_futex_wait_shared(&to->answered, answered, until - now);
	}
}

void fl_moment_start(char **environment)
{
	const char *path = fl_os_secure() ? NULL : path_in(environment);

	if (path == NULL)
		return;
	__atomic_store_n(&recorder, share(path), __ATOMIC_RELEASE);
	tell(FALLOW_MOMENT_START, 0);
}

void fl_moment_failure(uint64_t number)
{
	tell(FALLOW_MOMENT_FAILURE, number);
}

__attribute__((destructor)) static void end(void)
{
	tell(FALLOW_MOMENT_END, 0);
}
