/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * target: the disk.  The only room that calls pwrite, fallocate, ioctl on a device, fdatasync
 * or rename.  It writes guest bytes at guest offsets and says when they are durable; what they
 * are, and what else must be remembered, is not known here.
 *
 * A regular file is written as NAME.qimport-part beside it and renamed when finished; a block
 * device is written in place; --unallocated keep writes an existing file in place.
 *
 * Threads: target_write, target_zero and target_start_writeback may be called from several
 * threads at once; target_sync from one thread beside them; the rest from one thread with
 * nothing else going on.
 *
 * Errors: ERR_TARGET_*: each names the target, the guest offset and the reason.
 */
#ifndef QIMPORT_TARGET_H
#define QIMPORT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"

enum target_kind { TARGET_FILE, TARGET_BLOCK };

/* Which disk it is, over remounts and reboots (T8, T9, T12): NAME=VALUE pairs separated by
 * spaces, values escaped, e.g. "kind=file uuid=... ino=... gen=... size=..." or "kind=block
 * serial=... wwn=... partuuid=... size=...".  st_dev is in it for information only. */
struct target_identity {
  char text[512];
};

struct target_spec {
  const char *path;        /* as the user gave it */
  uint64_t virtual_size;   /* bytes */
  const char *import_uuid; /* marks a part file as ours (extended attribute user.qimport) */
  bool force;              /* overwrite an existing file, or a device that holds data */
  bool in_place;           /* --unallocated keep: the target exists, keeps what it holds */
  bool zero_promised;      /* --target-is-zero */
  bool preallocate;
  const char *journal_path; /* refuse this file as target; may be NULL */
  const char *source_path;  /* a local source, likewise; may be NULL */
};

struct target;

/* What can be refused before anything is fetched or created: kind of file, existing file
 * without force, an orphaned part file, mounted, read-only, in use, size if the kind is block.
 * virtual_size 0: not known yet.  KIND tells what it would be; CANONICAL (PATH_MAX) the absolute path
 * that names it for good (directory resolved, final component kept for files; devices by
 * themselves). */
int target_preflight (const struct target_spec *spec, enum target_kind *kind,
                      char *canonical, struct error *err);

/* Bytes free where the target would be, for a warning; UINT64_MAX if it cannot be told or does not
 * matter (a device). */
uint64_t target_free_space (const struct target_spec *spec);

/* Create the part file (exclusively, 0600 less umask... mode as open(2) would give for new
 * files is applied at finish), or open the device exclusively, and lock it; size it; sync the
 * directory (T23). */
int target_create (struct target **out, const struct target_spec *spec, struct error *err);

/* Open what an earlier process created, lock it, and compare with RECORDED (J4). A part file
 * that was never recorded (RECORDED NULL) must carry spec->import_uuid. */
int target_reopen (struct target **out, const struct target_spec *spec,
                   const struct target_identity *recorded, struct error *err);

/* Open a finished target for reading (audit) or, with REPAIR, for writing too. */
int target_open_finished (struct target **out, const struct target_spec *spec,
                          const struct target_identity *recorded, bool repair,
                          struct error *err);

void target_close (struct target *t); /* releases the lock; what is not synced may be lost */

enum target_kind target_kind (const struct target *t);
const struct target_identity *target_identity (const struct target *t);
/* What is never written reads as zeros. */
bool target_reads_zero (const struct target *t);
/* Make t->reads_zero void (after --restart the device holds what was written). */
void target_forget_zero (struct target *t);

/* Loops over short writes and EINTR (T5).  On a device the first MiB is kept back: it is
 * written by target_finish (and lost with the process, so what lies there must not be
 * committed before: target_holds_back says which guest bytes). */
int target_write (struct target *t, guest_off at, const void *buf, size_t len,
                  struct error *err);
/* Several buffers in a row on the disk, one call. iov as in pwritev; LEN their sum. */
struct iovec;
int target_writev (struct target *t, guest_off at, const struct iovec *iov, int n,
                   struct error *err);

/* Make LEN bytes read as zeros, by the kernel's guaranteed means, else by writing; in pieces
 * of 64 MiB at most; *STOP (may be NULL) is looked at between them: ERR_INTERRUPTED. */
int target_zero (struct target *t, guest_off at, uint64_t len, const volatile bool *stop,
                 struct error *err);

/* Begin write-back of what was written there (SYNC_FILE_RANGE_WRITE, never a WAIT flag). */
void target_start_writeback (struct target *t, guest_off at, uint64_t len);

/* J1: 0 only after the bytes of every target_write and target_zero that returned before the
 * call are durable.  A failure is final for this object (T3): every later call fails too. */
int target_sync (struct target *t, struct error *err);

/* For a device: guest bytes [0, this) are kept back until finish; 0 for files. */
uint64_t target_holds_back (const struct target *t);

/* Uncached where it can be (O_DIRECT, else POSIX_FADV_DONTNEED): what the disk holds, not what memory does. */
int target_read (struct target *t, guest_off at, void *buf, size_t len, struct error *err);
/* The run of data or hole at AT: *LEN its length, *HOLE.  A device is all data. */
int target_next (struct target *t, guest_off at, uint64_t *len, bool *hole,
                 struct error *err);

/* Check size and identity once more (T21), write what was kept back, sync, rename (replacing
 * nothing, unless force and the file existed at the start), sync the directory, read the partition table again.
 * When it returns 0 the disk is whole, in its place and durable. May be repeated after a crash at any point:
 * target_reopen tells by *ALREADY whether the rename had happened. */
int target_finish (struct target *t, struct error *err);

/* Remove what target_create made, for an import that ends before it began.  Closes T. */
void target_discard (struct target *t);

#endif
