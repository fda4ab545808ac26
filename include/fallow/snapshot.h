/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots: an image of a map as it was at one instant, written in the background while the program goes on writing.
 *
 * The instant is when fallow_snapshot_take() returns: what was written before is in the image, what is written after is
 * not, and a thread that writes meanwhile finds one order of the two. The map's pages are write-protected; a thread that
 * writes to one waits until that page has been copied aside, some microseconds, and no longer: only when the copies
 * that wait to be written out fill their memory does it wait for the image's file.
 *
 * What was not there at the instant takes no room in the image, nor do pages that hold zeros only. Populating and
 * discarding work while a snapshot is taken, and so do system calls that write to the map's memory. Not seen are
 * writes by others to a shared file or memfd, through their own mappings or by write(2): keep them away. Memory that is
 * discarded by others than fallow_map_discard() has no defined content in the image. A huge page that nobody writes to
 * stays one.
 *
 * A child of fork has the map without the snapshot, and may use it as it likes: there the handle answers -ECANCELED.
 *
 * It takes userfaultfd (Linux 5.7, 5.19 for shared memory and huge pages), and that in its full form, which kernel and
 * system calls respect: CAP_SYS_PTRACE, vm.unprivileged_userfaultfd=1, or access to /dev/userfaultfd.
 *
 * Images can form a chain: one of everything, and then each with what has changed since the one before. From the first on
 * the map is watched: a thread of fallow's own sees the first write to each page after each image, which then takes some
 * microseconds, and so does a touch of what is not there. What is populated again counts as changed, whatever it held. While
 * it is watched a process does not end with the last of its own threads, but by exit(3) or a signal.
 *
 * doc/snapshot-format.md has the image, which is written from start to end: a pipe or a socket will do. Each block has a
 * checksum (CRC-32C) and the end a trailer, so that a damaged or torn image is known for one.
 */
#ifndef FALLOW_SNAPSHOT_H
#define FALLOW_SNAPSHOT_H

#include <fallow/map.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fallow_snapshot;

/* What an image has, and whether the map is watched for the next. */
enum fallow_snapshot_kind {
	FALLOW_SNAPSHOT_WHOLE,   /* everything; not watched */
	FALLOW_SNAPSHOT_BASE,    /* everything: a chain begins */
	FALLOW_SNAPSHOT_CHANGES, /* what has changed since the chain's last image: the chain goes on */
};

struct fallow_snapshot_options {
	size_t size;   /* of this struct: set by FALLOW_SNAPSHOT_OPTIONS_INIT */
	size_t memory; /* bytes for copies that wait to be written, rounded up to pages of the map; 0: 32 MiB */
	bool sync;     /* have the image on the disk (fdatasync) before it counts as finished */
	enum fallow_snapshot_kind kind;
};

#ifdef __cplusplus
static inline fallow_snapshot_options fallow_snapshot_options_init(void)
{
	fallow_snapshot_options o = fallow_snapshot_options();
	o.size = sizeof(o);
	return o;
}
#define FALLOW_SNAPSHOT_OPTIONS_INIT fallow_snapshot_options_init()
#else
#define FALLOW_SNAPSHOT_OPTIONS_INIT                                                                                   \
	{ .size = sizeof(struct fallow_snapshot_options) }
#endif

/*
 * Take a snapshot of the whole map: on return it is taken, and its image is being written to fd from where fd's
 * position is. fd may be closed. options may be NULL. Until fallow_snapshot_wait() the map cannot be resized, destroyed
 * or taken again: -EBUSY.
 *
 * A chain lasts until another image of everything is taken, fallow_snapshot_stop(), or the first image of it that is
 * given up or cannot be written. It also ends, for the worse, when there is no memory to note a change; a child of fork
 * has none. Then CHANGES is -ENOENT: take a BASE.
 *
 * -EINVAL: a struct of a size this library does not know; no such kind. -ENOENT: no chain to go on with. -EBADF: fd is
 * not open for writing; or the program has closed the descriptor by which a chain is watched. -EBUSY: a snapshot is being
 * taken, or somebody else has a userfaultfd on the map. -EPERM: no right to userfaultfd, see above. -EOPNOTSUPP: the kernel
 * cannot protect this backing; ordinary files it never can. -ENOMEM, -EMFILE, -ENFILE, -EAGAIN: no memory, descriptors or
 * threads. The map is as before after a failure, but a chain may have ended.
 */
FALLOW_API int fallow_snapshot_take(struct fallow_map *map, int fd, const struct fallow_snapshot_options *options,
				    struct fallow_snapshot **snapshot);

/*
 * Wait until the image is written, and end the snapshot: the handle is gone. 0: the image is complete. Else it is not,
 * and restoring it will say so: -ECANCELED; -ENOMEM: no memory left to let a write go on; -EFAULT: a file that was cut
 * short by others; -EBADF: the program has closed descriptors that are not its own; and what write(2) and fdatasync(2)
 * say: -ENOSPC, -EDQUOT, -EFBIG, -EPIPE, -EIO. The map is unharmed whatever the answer is.
 */
FALLOW_API int fallow_snapshot_wait(struct fallow_snapshot *snapshot);

struct fallow_snapshot_stat {
	size_t size;      /* of this struct: set by FALLOW_SNAPSHOT_STAT_INIT */
	size_t total;     /* bytes of pages that were there at the instant */
	size_t done;      /* of those, copied or found to be zero */
	uint64_t written; /* bytes of the image */
	uint64_t nwaits;  /* writes that waited for their page to be copied */
	bool finished;    /* fallow_snapshot_wait() will not wait */
};

#ifdef __cplusplus
static inline fallow_snapshot_stat fallow_snapshot_stat_init(void)
{
	fallow_snapshot_stat s = fallow_snapshot_stat();
	s.size = sizeof(s);
	return s;
}
#define FALLOW_SNAPSHOT_STAT_INIT fallow_snapshot_stat_init()
#else
#define FALLOW_SNAPSHOT_STAT_INIT                                                                                      \
	{ .size = sizeof(struct fallow_snapshot_stat) }
#endif

/* How far it is. -EINVAL when stat's size field is no known size. */
FALLOW_API int fallow_snapshot_progress(struct fallow_snapshot *snapshot, struct fallow_snapshot_stat *stat);

/*
 * Give up the image, unless it is finished. Nothing is protected any more on return; the handle is still to be waited
 * for. Not while another thread is in fallow_snapshot_wait(), which may end the handle first: a thread that wants to be
 * able to cancel follows the progress until it is finished, and then waits.
 */
FALLOW_API void fallow_snapshot_cancel(struct fallow_snapshot *snapshot);

/* End the map's chain: it is watched no longer. -ENOENT: there is none. -EBUSY: a snapshot is being taken. */
FALLOW_API int fallow_snapshot_stop(struct fallow_map *map);

struct fallow_restore_options {
	size_t size;                  /* of this struct: set by FALLOW_RESTORE_OPTIONS_INIT */
	fallow_progress_fn *progress; /* done and total are bytes of content; the image may have less. May be NULL */
	void *context;                /* for progress */
};

#ifdef __cplusplus
static inline fallow_restore_options fallow_restore_options_init(void)
{
	fallow_restore_options o = fallow_restore_options();
	o.size = sizeof(o);
	return o;
}
#define FALLOW_RESTORE_OPTIONS_INIT fallow_restore_options_init()
#else
#define FALLOW_RESTORE_OPTIONS_INIT                                                                                    \
	{ .size = sizeof(struct fallow_restore_options) }
#endif

/*
 * Make the map's content that of an image, which is read from fd's position to its trailer and no further. Pages
 * without content are left unpopulated, those with content are populated for writing. The map may be longer than the
 * one that was taken, and of another backing and page size. options may be NULL. Others must not use the map meanwhile.
 *
 * A chain is restored image by image in the order in which they were taken, and nothing else done to the map between: one
 * of changes fits only a map whose last restore was of the image before it. What ends early ends a chain: what came before
 * can be restored anew.
 *
 * 0, or with the map as it was: -EBADMSG: no image; -ERANGE: longer than the map; -ESTALE: changes to another image than
 * the one restored last; -EOPNOTSUPP: made by a later version, a private map of a file that had content, or a filesystem
 * that cannot punch holes; -EINVAL: a struct of a size this library does not know; -EBADF.
 * With the map empty, all of it discarded: -EBADMSG: truncated, torn or damaged; -ENOMEM and -EFAULT as
 * fallow_map_populate() has them; -ECANCELED: progress returned false; what read(2) says.
 */
FALLOW_API int fallow_snapshot_restore(struct fallow_map *map, int fd, const struct fallow_restore_options *options);

#ifdef __cplusplus
}
#endif

#endif
