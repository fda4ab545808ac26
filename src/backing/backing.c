/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening backings and mapping them. Populate and discard are in populate.c, reasons in diagnose.c.
 */
#include "backing/backing.h"

#include <errno.h>
#include <string.h>

#include "base/format.h"
#include "os/kernel.h"
#include "os/os.h"

#define HUGETLB_NAME "fallow-hugetlb-probe"

static int huge_flag(size_t page_size, unsigned int shift)
{
	return (int)(fl_log2_floor(page_size) << shift);
}

/* A reason that has nothing to do with huge pages: no descriptor, no memory, a filter that refuses memfd_create. */
static bool is_other_reason(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EPERM;
}

/* The page size a hugetlb memfd gets when none is named. */
static int default_huge_page(size_t *page_size)
{
	struct statfs fs;
	int fd = fl_os_memfd_create(HUGETLB_NAME, MFD_CLOEXEC | MFD_HUGETLB);

	if (fd < 0)
		return is_other_reason(fd) ? fd : -EOPNOTSUPP;
	int result = fl_os_fstatfs(fd, &fs);
	fl_os_close(fd);
	*page_size = result == 0 ? (size_t)fs.f_bsize : 0;
	return result == 0 ? 0 : -EOPNOTSUPP;
}

/* Whether the kernel has a pool of this page size, empty or not. */
static int check_huge_page(size_t page_size)
{
	int fd = fl_os_memfd_create(HUGETLB_NAME,
				    MFD_CLOEXEC | MFD_HUGETLB | (unsigned int)huge_flag(page_size, MFD_HUGE_SHIFT));

	if (fd < 0)
		return is_other_reason(fd) ? fd : -EINVAL;
	fl_os_close(fd);
	return 0;
}

int fl_backing_huge_page(size_t *page_size)
{
	if (*page_size == 0)
		return default_huge_page(page_size);
	if (!fl_is_power_of_two(*page_size) || *page_size <= fl_os_page_size())
		return -EINVAL;
	return check_huge_page(*page_size);
}

static int create_anon(struct fl_backing *b)
{
	size_t base_page = fl_os_page_size();

	if (b->page_size != 0 && b->page_size != base_page)
		return -EINVAL;
	b->page_size = base_page;
	return 0;
}

static int create_hugetlb(struct fl_backing *b)
{
	int result = fl_backing_huge_page(&b->page_size);

	b->huge = true;
	b->map_flags = MAP_HUGETLB | huge_flag(b->page_size ? b->page_size : 1, MAP_HUGE_SHIFT);
	return result;
}

static void know_file(struct fl_backing *b, const struct stat *file)
{
	b->device = file->st_dev;
	b->inode = file->st_ino;
}

static int create_memfd(struct fl_backing *b)
{
	struct stat file;
	unsigned int flags = MFD_CLOEXEC;
	size_t base_page = fl_os_page_size();

	if (b->page_size == 0)
		b->page_size = base_page;
	if (b->page_size != base_page) {
		int result = fl_backing_huge_page(&b->page_size);
		if (result != 0)
			return result;
		b->huge = true;
		flags |= MFD_HUGETLB | (unsigned int)huge_flag(b->page_size, MFD_HUGE_SHIFT);
	}
	int fd = fl_os_memfd_create(b->name, flags);
	if (fd < 0)
		return fd;
	b->fd = fd;
	b->in_memory = !b->huge;
	b->own_position = true;
	int result = fl_os_fstat(fd, &file);
	if (result == 0)
		know_file(b, &file);
	return result;
}

/* Takes over b->fd: a duplicate, or one given away. */
static int create_file(struct fl_backing *b)
{
	struct stat file;
	struct statfs fs;

	int flags = fl_os_getfl(b->fd);
	if (flags < 0)
		return flags;
	int result = fl_os_fstat(b->fd, &file);
	if (result != 0)
		return result;
	if (!S_ISREG(file.st_mode))
		return -ENODEV;
	if ((flags & O_ACCMODE) != O_RDWR)
		return -EACCES;
	result = fl_os_fstatfs(b->fd, &fs);
	if (result != 0)
		return result;
	b->huge = fs.f_type == HUGETLBFS_MAGIC;
	b->in_memory = fs.f_type == TMPFS_MAGIC;
	size_t page_size = b->huge ? (size_t)fs.f_bsize : fl_os_page_size();
	if (b->page_size != 0 && b->page_size != page_size)
		return -EINVAL;
	b->page_size = page_size;
	know_file(b, &file);
	b->file_length = (uint64_t)file.st_size;
	b->had_storage = file.st_blocks > 0;
	/* An arena begins behind what a file holds already, if that is to stay. */
	b->own_from = fl_align_up(b->file_length, page_size);
	return 0;
}

/* The user's file, opened anew where the system allows it: then its position is ours. */
static int open_given(struct fl_backing *b, const struct fl_backing_options *o)
{
	char path[32];

	b->own_position = true;
	if (o->own_fd) {
		b->fd = o->fd;
		return o->fd < 0 ? -EBADF : 0;
	}
	int flags = fl_os_getfl(o->fd);
	if (flags < 0)
		return flags;
	fl_format(path, sizeof(path), "/proc/thread-self/fd/%d", o->fd);
	/* Only files: opening a pipe or a device may wait or do things. */
	struct stat file;
	if (fl_os_fstat(o->fd, &file) == 0 && S_ISREG(file.st_mode))
		b->fd = fl_os_open(path, flags & O_ACCMODE, 0);
	if (b->fd >= 0)
		return 0;
	b->own_position = false;
	b->fd = fl_os_dup(o->fd);
	return b->fd < 0 ? b->fd : 0;
}

/* Whether memory can be bound to the node, asked of a page of address space. -EINVAL: there is no such node. */
static int check_node(int node)
{
	void *place = NULL;
	size_t page = fl_os_page_size();

	int result = fl_os_mmap(&place, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (result != 0)
		return result;
	result = fl_os_mbind(place, page, node);
	fl_os_munmap(place, page);
	return result;
}

static bool in_range(const struct fl_backing_options *o)
{
	return (unsigned int)o->kind <= FALLOW_BACKING_FILE && (unsigned int)o->share <= FALLOW_SHARE_SHARED &&
	       (unsigned int)o->populate <= FALLOW_POPULATE_NONE && (unsigned int)o->fork <= FALLOW_FORK_REFUSE;
}

static int create(struct fl_backing *b, const struct fl_backing_options *o)
{
	int result = o->node >= 0 ? check_node(o->node) : 0;

	if (result != 0)
		return result;
	switch (o->kind) {
	case FALLOW_BACKING_ANON:
		return create_anon(b);
	case FALLOW_BACKING_HUGETLB:
		return create_hugetlb(b);
	case FALLOW_BACKING_MEMFD:
		return create_memfd(b);
	default:
		return create_file(b);
	}
}

int fl_backing_create(struct fl_backing *b, const struct fl_backing_options *o)
{
	bool fd_backed = o->kind == FALLOW_BACKING_MEMFD || o->kind == FALLOW_BACKING_FILE;

	*b = (struct fl_backing){ .kind = o->kind, .fd = -1, .node = o->node, .page_size = o->page_size,
				 .closed = o->closed, .fork = o->fork };
	if (!in_range(o))
		return -EINVAL;
	b->shared = o->share == FALLOW_SHARE_AUTO ? fd_backed : o->share == FALLOW_SHARE_SHARED;
	b->populate = o->populate == FALLOW_POPULATE_AUTO ? FALLOW_POPULATE_WRITE : o->populate;
	/* Storage cannot be promised where there is no file, nor does a private copy come out of one. */
	if (b->populate == FALLOW_POPULATE_ALLOCATE && (!fd_backed || !b->shared))
		return -EOPNOTSUPP;
	fl_format(b->name, sizeof(b->name), "%s", o->name && *o->name ? o->name : "fallow");
	int result = o->kind == FALLOW_BACKING_FILE ? open_given(b, o) : 0;
	if (result == 0)
		result = create(b, o);
	if (result != 0 && b->fd >= 0)
		fl_os_close(b->fd);
	return result;
}

bool fl_backing_is_memory(const struct fl_backing *b)
{
	struct statfs fs;

	if (b->huge)
		return false;
	/* The zero page costs nothing. */
	if (b->kind == FALLOW_BACKING_ANON)
		return b->shared || b->populate != FALLOW_POPULATE_READ;
	return b->kind == FALLOW_BACKING_MEMFD || (fl_os_fstatfs(b->fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC);
}

void fl_backing_destroy(struct fl_backing *b)
{
	if (b->fd >= 0 && fl_backing_check_fd(b) != -EBADF)
		fl_os_close(b->fd);
	b->fd = -1;
}

int fl_backing_check_fd(const struct fl_backing *b)
{
	struct stat file;
	int result = fl_os_fstat(b->fd, &file);

	if (result != 0)
		return result;
	return file.st_dev == b->device && file.st_ino == b->inode ? 0 : -EBADF;
}

/* Beyond RLIMIT_FSIZE the kernel would send SIGXFSZ before it says EFBIG. */
static int set_length(struct fl_backing *b, uint64_t length)
{
	struct rlimit limit;

	if (length > b->file_length && fl_os_getrlimit(RLIMIT_FSIZE, &limit) == 0 && length > limit.rlim_cur)
		return -EFBIG;
	int result = fl_os_ftruncate(b->fd, length);
	if (result == 0)
		b->file_length = length;
	return result;
}

/* A last page that the file fills in part is there as it is. */
static int extend_file(struct fl_backing *b, uint64_t length)
{
	return length <= fl_align_up(b->file_length, b->page_size) ? 0 : set_length(b, length);
}

int fl_backing_set_length(struct fl_backing *b, uint64_t length)
{
	if (b->kind == FALLOW_BACKING_FILE && !b->shared && length < b->own_from)
		length = fl_min(b->own_from, b->file_length);
	if (length == b->file_length)
		return 0;
	int result = fl_backing_check_fd(b);
	if (result == 0)
		result = set_length(b, length);
	if (result == 0)
		b->own_from = fl_min(b->own_from, length);
	return result;
}

/* What the backing's mappings have besides memory: its node, and a name where the kernel keeps one. */
static int furnish(const struct fl_backing *b, void *address, size_t length)
{
	int result = b->node >= 0 ? fl_os_mbind(address, length, b->node) : 0;

	if (result == 0 && b->fd < 0)
		fl_os_name_mapping(address, length, b->name);
	return result;
}

struct fl_failure fl_backing_activate(struct fl_backing *b, void *address, size_t length, uint64_t offset)
{
	void *place = address;
	int flags = (b->shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | MAP_FIXED_NOREPLACE | b->map_flags;

	if (b->fd < 0) {
		flags |= MAP_ANONYMOUS;
	} else {
		int result = fl_backing_check_fd(b);
		if (result == 0)
			result = extend_file(b, offset + length);
		if (result != 0)
			return fl_backing_diagnose(b, result, true);
	}
	int protection = b->closed ? PROT_NONE : PROT_READ | PROT_WRITE;
	int result = fl_os_mmap(&place, length, protection, flags, b->fd, b->fd < 0 ? 0 : offset);
	if (result == 0 && place != address) {
		/* Kernels before 4.17 take MAP_FIXED_NOREPLACE for a hint. */
		fl_os_munmap(place, length);
		result = -EEXIST;
	}
	if (result == -EEXIST)
		return (struct fl_failure){ FALLOW_REASON_ADDRESS_SPACE, result };
	if (result != 0)
		return fl_backing_diagnose(b, result, true);
	result = furnish(b, address, length);
	if (result != 0) {
		fl_os_munmap(address, length);
		return fl_backing_diagnose(b, result, true);
	}
	return (struct fl_failure){ FALLOW_REASON_NONE, 0 };
}

int fl_backing_remap(const struct fl_backing *b, void *address, size_t length, uint64_t offset)
{
	int flags = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED | b->map_flags | (b->fd < 0 ? MAP_ANONYMOUS : 0);
	int result = fl_os_mmap(&address, length, PROT_READ | PROT_WRITE, flags, b->fd, b->fd < 0 ? 0 : offset);

	return result == 0 ? furnish(b, address, length) : result;
}

int fl_backing_close(void *address, size_t length)
{
	return fl_os_mmap(&address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int fl_backing_open(const struct fl_backing *b, void *address, size_t length)
{
	int result = fl_os_mprotect(address, length, PROT_READ | PROT_WRITE);

	return result == 0 ? furnish(b, address, length) : result;
}
