/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting up places with real limits and running children in them; see place.h.
 */
#include "test/lib/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/test.h"

#define MEMORY_CGROUPS "/sys/fs/cgroup/memory"
#define UNIFIED_CGROUPS "/sys/fs/cgroup/unified"
#define HUGETLB_CGROUP UNIFIED_CGROUPS "/fallow-place"

#define LOOP_PATH 32

/* What others on the machine may still commit while a child has nothing left. */
#define COMMIT_OF_OTHERS_KB (4L << 20)

/* What the setting up found out; shared with the child, which sets up its own part. */
struct setup {
	const struct place *place;
	bool lacking;
	bool standing;
	char reason[200];
	char memory_cgroup[512]; /* the child's, "" without one */
};

_Noreturn void place_must(const char *file, int line, const char *condition)
{
	dprintf(STDERR_FILENO, "%s:%d: not so: %s (errno %s)\n", file, line, condition, strerrorname_np(errno));
	_exit(1);
}

_Noreturn void place_must_numbers(const char *file, int line, const char *condition, long long a, long long b)
{
	dprintf(STDERR_FILENO, "%s:%d: not so: %s (%lld, %lld)\n", file, line, condition, a, b);
	_exit(1);
}

/* The place cannot be had; the first reason counts. */
__attribute__((format(printf, 2, 3))) static void lacks(struct setup *setup, const char *format, ...)
{
	va_list arguments;

	if (setup->lacking)
		return;
	setup->lacking = true;
	va_start(arguments, format);
	vsnprintf(setup->reason, sizeof(setup->reason), format, arguments);
	va_end(arguments);
}

static int set_number(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return test_machine_set(path, text);
}

/* Make a directory, or a cgroup, that goes at the end. */
static int make(const char *path)
{
	test_machine_rmdir_later(path);
	return mkdir(path, 0755) < 0 ? -errno : 0;
}

/* A pool of exactly npages free pages. */
static void set_pool(struct setup *setup, const char *pool, long npages)
{
	char path[128];
	long had;

	if (npages == PLACE_NO_PAGES)
		npages = 0;
	snprintf(path, sizeof(path), "%snr_overcommit_hugepages", pool);
	if (test_machine_number(path) != 0 && set_number(path, 0) < 0)
		lacks(setup, "%s cannot be written", path);
	snprintf(path, sizeof(path), "%snr_hugepages", pool);
	if (set_number(path, npages) < 0)
		lacks(setup, "%s cannot be written", path);
	had = test_machine_number(path);
	if (had < npages) {
		test_machine_write("/proc/sys/vm/compact_memory", "1");
		set_number(path, npages);
		had = test_machine_number(path);
	}
	if (had != npages)
		lacks(setup, "the machine gives %ld of %ld pages to %s", had, npages, pool);
	snprintf(path, sizeof(path), "%sfree_hugepages", pool);
	if (test_machine_number(path) != npages)
		lacks(setup, "others use pages of %s", pool);
}

/* A memory cgroup below our own, in version 1 of the interface. */
static void make_memory_cgroup(struct setup *setup)
{
	char own[400] = "", line[400], path[600];
	FILE *groups = fopen("/proc/self/cgroup", "re");

	while (groups != NULL && fgets(line, sizeof(line), groups) != NULL) {
		char *at = strstr(line, ":memory:");

		if (at != NULL)
			snprintf(own, sizeof(own), "%.*s", (int)strcspn(at + 8, "\n"), at + 8);
	}
	if (groups != NULL)
		fclose(groups);
	snprintf(path, sizeof(path), MEMORY_CGROUPS "%s/memory.limit_in_bytes", own);
	if (access(path, R_OK) < 0 || strcmp(own, "/") == 0)
		own[0] = '\0'; /* a container shows its own group as the root */
	snprintf(setup->memory_cgroup, sizeof(setup->memory_cgroup), MEMORY_CGROUPS "%s/fallow-place", own);
	if (make(setup->memory_cgroup) < 0)
		lacks(setup, "%s: %s", setup->memory_cgroup, strerror(errno));
	snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", setup->memory_cgroup);
	snprintf(line, sizeof(line), "%zu", setup->place->memory_cgroup);
	if (test_machine_write(path, line) < 0)
		lacks(setup, "%s cannot be written", path);
}

/* A cgroup with the hugetlb controller, at the top of the unified hierarchy. */
static void make_hugetlb_cgroup(struct setup *setup)
{
	static const char control[] = UNIFIED_CGROUPS "/cgroup.subtree_control";
	char value[32];

	if (test_machine_field(UNIFIED_CGROUPS "/cgroup.controllers", "hugetlb") < 0) {
		lacks(setup, "no hugetlb controller at " UNIFIED_CGROUPS);
		return;
	}
	if (test_machine_field(control, "hugetlb") < 0)
		test_machine_set_later(control, "-hugetlb");
	if (test_machine_write(control, "+hugetlb") < 0)
		lacks(setup, "the hugetlb controller cannot be switched on");
	snprintf(value, sizeof(value), "%zu", setup->place->hugetlb_cgroup);
	if (make(HUGETLB_CGROUP) < 0 || test_machine_write(HUGETLB_CGROUP "/hugetlb.2MB.max", value) < 0)
		lacks(setup, HUGETLB_CGROUP ": %s", strerror(errno));
}

/*
 * overcommit_memory=2 with a limit that leaves so much to those without CAP_SYS_ADMIN. Writing overcommit_kbytes clears
 * overcommit_ratio and the other way round, so whichever is in force is the one that must come back last.
 */
static void limit_commit(struct setup *setup)
{
	static const char kbytes[] = "/proc/sys/vm/overcommit_kbytes", ratio[] = "/proc/sys/vm/overcommit_ratio";
	const char *in_force = test_machine_number(kbytes) != 0 ? kbytes : ratio;
	long limit = test_machine_field("/proc/meminfo", "Committed_AS:") -
		     test_machine_field("/proc/meminfo", "SwapTotal:") + COMMIT_OF_OTHERS_KB +
		     (long)(setup->place->commit >> 10);
	char text[32];

	snprintf(text, sizeof(text), "%ld", test_machine_number(in_force));
	test_machine_set_later(in_force, text);
	snprintf(text, sizeof(text), "%ld", limit);
	if (test_machine_write(kbytes, text) < 0 ||
	    set_number("/proc/sys/vm/admin_reserve_kbytes", COMMIT_OF_OTHERS_KB) < 0 ||
	    set_number("/proc/sys/vm/overcommit_memory", 2) < 0)
		lacks(setup, "overcommit cannot be set");
}

/* A file as a loop device that goes with its last user: open, and its name. Closes the file. */
static int attach(struct setup *setup, int image, char path[LOOP_PATH])
{
	struct loop_config config = { .fd = (uint32_t)image, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;

	/* Others may take the device in between. */
	for (int tries = 0; control >= 0 && device < 0 && tries < 50; tries++) {
		snprintf(path, LOOP_PATH, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		device = open(path, O_RDWR | O_CLOEXEC);
		if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) < 0) {
			close(device);
			device = -1;
			nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		}
	}
	if (device < 0)
		lacks(setup, "no loop device: %s", strerror(errno));
	if (control >= 0)
		close(control);
	close(image);
	return device;
}

/* A file without a name; -1. */
static int make_image(struct setup *setup, size_t nbytes)
{
	int image = memfd_create("fallow-image", 0);

	if (image < 0 || ftruncate(image, (off_t)nbytes) < 0)
		lacks(setup, "no file of %zu bytes: %s", nbytes, strerror(errno));
	return image;
}

/* The first page of swap, as mkswap(8) makes it. */
static bool write_swap_header(int image, size_t nbytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uint32_t header[] = { 1, (uint32_t)(nbytes / page - 1), 0 }; /* version, last page, bad pages */
	const char magic[] = "SWAPSPACE2";

	return pwrite(image, header, sizeof(header), 1024) == sizeof(header) &&
	       pwrite(image, magic, strlen(magic), (off_t)(page - strlen(magic))) == (ssize_t)strlen(magic);
}

/* Used before any other. */
static void make_swap(struct setup *setup)
{
	char path[LOOP_PATH];
	int image = make_image(setup, setup->place->swap);

	if (setup->lacking)
		return;
	if (!write_swap_header(image, setup->place->swap))
		lacks(setup, "swap cannot be written: %s", strerror(errno));
	int device = attach(setup, image, path);
	if (device < 0)
		return;
	test_machine_swapoff_later(path);
	if (swapon(path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) < 0)
		lacks(setup, "swapping to %s: %s", path, strerror(errno));
	close(device);
}

static bool has_mounts(const struct place *place)
{
	return place->tmpfs != 0 || place->hugetlbfs != 0 || place->ext4 != 0;
}

static bool changes_machine(const struct place *place)
{
	return place->huge_2m != 0 || place->huge_1g != 0 || place->hugetlb_cgroup != 0 || place->memory_cgroup != 0 ||
	       place->swap != 0 || place->commit != 0 || place->map_count != 0 || has_mounts(place);
}

/* What is everybody's, done by the parent. */
static void set_machine(struct setup *setup)
{
	const struct place *place = setup->place;

	if (has_mounts(place) && make(PLACE_DIRECTORY) < 0)
		lacks(setup, PLACE_DIRECTORY ": %s", strerror(errno));
	if (place->huge_2m != 0)
		set_pool(setup, HUGE_2M, place->huge_2m);
	if (place->huge_1g != 0)
		set_pool(setup, HUGE_1G, place->huge_1g);
	if (place->hugetlb_cgroup != 0)
		make_hugetlb_cgroup(setup);
	if (place->memory_cgroup != 0)
		make_memory_cgroup(setup);
	if (place->swap != 0)
		make_swap(setup);
	if (place->map_count != 0 && set_number("/proc/sys/vm/max_map_count", place->map_count) < 0)
		lacks(setup, "max_map_count cannot be written");
	if (place->commit != 0)
		limit_commit(setup);
}

static void mount_ext4(struct setup *setup)
{
	int image = make_image(setup, setup->place->ext4);
	char command[256], path[LOOP_PATH];

	if (setup->lacking)
		return;
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin exec mkfs.ext4 -qF -b 4096 -m 0 -N 64 -O ^has_journal,^resize_inode "
		 "-E lazy_itable_init=0,nodiscard /proc/self/fd/%d", image);
	if (system(command) != 0)
		lacks(setup, "mkfs.ext4 makes no filesystem");
	int device = attach(setup, image, path);
	if (device < 0)
		return;
	if (mount(path, PLACE_EXT4, "ext4", 0, NULL) < 0)
		lacks(setup, "mounting %s: %s", path, strerror(errno));
	close(device);
}

static void mount_all(struct setup *setup)
{
	const struct place *place = setup->place;
	char options[64];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("fallow-place", PLACE_DIRECTORY, "tmpfs", 0, "size=64k") < 0 || mkdir(PLACE_TMPFS, 0755) < 0 ||
	    mkdir(PLACE_HUGETLBFS, 0755) < 0 || mkdir(PLACE_EXT4, 0755) < 0)
		lacks(setup, "no mounts of one's own: %s", strerror(errno));
	snprintf(options, sizeof(options), "huge=never,size=%zu", place->tmpfs);
	if (place->tmpfs != 0 && mount("fallow-place", PLACE_TMPFS, "tmpfs", 0, options) < 0)
		lacks(setup, "mounting a tmpfs: %s", strerror(errno));
	if (place->hugetlbfs == PLACE_UNSIZED)
		snprintf(options, sizeof(options), "pagesize=2M");
	else
		snprintf(options, sizeof(options), "pagesize=2M,size=%zu", place->hugetlbfs);
	if (place->hugetlbfs != 0 && mount("fallow-place", PLACE_HUGETLBFS, "hugetlbfs", 0, options) < 0)
		lacks(setup, "mounting a hugetlbfs: %s", strerror(errno));
	if (place->ext4 != 0)
		mount_ext4(setup);
}

static void join(struct setup *setup, const char *cgroup)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	if (test_machine_write(path, "0") < 0)
		lacks(setup, "%s cannot be joined", cgroup);
}

static void set_limit(struct setup *setup, __rlimit_resource_t resource, size_t bytes)
{
	struct rlimit both = { bytes, bytes };

	if (bytes != 0 && setrlimit(resource, &both) < 0)
		lacks(setup, "setrlimit: %s", strerror(errno));
}

/* Be as poor as an ordinary user where memory is committed, also after exec. */
static void drop_cap_sys_admin(struct setup *setup)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	const uint32_t bit = 1u << CAP_SYS_ADMIN;

	if (syscall(SYS_capget, &header, data) < 0) {
		lacks(setup, "capget: %s", strerror(errno));
		return;
	}
	data[0].effective &= ~bit;
	data[0].permitted &= ~bit;
	data[0].inheritable &= ~bit;
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		lacks(setup, "CAP_SYS_ADMIN cannot be dropped: %s", strerror(errno));
}

/* What is the child's own. */
static void set_child(struct setup *setup)
{
	const struct place *place = setup->place;

	if (has_mounts(place))
		mount_all(setup);
	if (place->memory_cgroup != 0)
		join(setup, setup->memory_cgroup);
	if (place->hugetlb_cgroup != 0)
		join(setup, HUGETLB_CGROUP);
	if (place->file_size != 0)
		signal(SIGXFSZ, SIG_IGN);
	set_limit(setup, RLIMIT_FSIZE, place->file_size);
	set_limit(setup, RLIMIT_DATA, place->data);
	set_limit(setup, RLIMIT_AS, place->address_space);
	if (place->commit != 0)
		drop_cap_sys_admin(setup);
}

static _Noreturn void be_child(struct setup *setup, pid_t parent, place_fn *fn, void *argument)
{
	/* For which cmocka has handlers that would go on with the parent's tests. */
	static const int fatal[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS };
	static const struct rlimit no_core;

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CORE, &no_core);
	set_child(setup);
	if (setup->lacking)
		_exit(1);
	setup->standing = true;
	fn(argument);
	fflush(NULL);
	_exit(0);
}

static int seconds_for(const struct place *place)
{
	if (place->seconds != 0)
		return place->seconds;
	return place->commit != 0 || place->map_count != 0 ? PLACE_SECONDS_FELT : PLACE_SECONDS;
}

static void wait_for(pid_t pid, int seconds, struct place_result *result)
{
	int pidfd = pidfd_open(pid, 0), status = 0;
	struct pollfd polled = { .fd = pidfd, .events = POLLIN };
	int ready;

	do
		ready = poll(&polled, 1, seconds * 1000);
	while (ready < 0 && errno == EINTR);
	kill(-pid, SIGKILL); /* the child itself when its time is over, and whatever it has left behind */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(pidfd);
	if (ready == 0) {
		result->end = PLACE_HUNG;
	} else if (WIFSIGNALED(status)) {
		result->end = PLACE_KILLED;
		result->value = WTERMSIG(status);
	} else {
		result->end = PLACE_EXITED;
		result->value = WEXITSTATUS(status);
	}
}

static void start_and_wait(struct setup *setup, place_fn *fn, void *argument, struct place_result *result)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		test_hard_error("cannot fork");
	if (pid == 0)
		be_child(setup, parent, fn, argument);
	wait_for(pid, seconds_for(setup->place), result);
	if (!setup->lacking && !setup->standing)
		test_hard_error("a child ended before its place stood");
}

struct place_result place_run(const struct place *place, place_fn *fn, void *argument)
{
	struct place_result result = { .end = PLACE_LACKS };
	struct setup *setup = mmap(NULL, sizeof(*setup), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (setup == MAP_FAILED)
		test_hard_error("cannot map a page");
	int pidfd = pidfd_open(getpid(), 0);
	if (pidfd < 0) {
		munmap(setup, sizeof(*setup));
		strcpy(result.reason, "no pidfd can be had here: an old kernel, or valgrind");
		return result;
	}
	close(pidfd);
	setup->place = place;
	if (changes_machine(place)) {
		test_machine_begin();
		set_machine(setup);
	}
	if (!setup->lacking)
		start_and_wait(setup, fn, argument, &result);
	if (changes_machine(place))
		test_machine_end();
	if (setup->lacking) {
		result.end = PLACE_LACKS;
		memcpy(result.reason, setup->reason, sizeof(result.reason));
	}
	munmap(setup, sizeof(*setup));
	return result;
}

void place_execute(void *argv)
{
	char **arguments = argv;

	execvp(arguments[0], arguments);
	dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}
