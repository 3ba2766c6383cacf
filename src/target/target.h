/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * target: the disk.  The only room that calls pwrite, fallocate, ioctl on a device, fdatasync
 * or rename.  It writes guest bytes at guest offsets and says when they are durable; what they
 * are, and what else must be remembered, is not known here.
 *
 * A regular file is written as NAME.qimport-part beside it and renamed when finished; a block
 * device, and an export of an NBD server, is written in place, its first MiB last;
 * --unallocated keep writes an existing file in place.
 *
 * Threads: target_write, target_writev, target_zero, target_read and target_next may be called
 * from several threads at once; target_sync and target_held_changed from one thread beside
 * them; the rest from one thread with nothing else going on.
 *
 * Errors: ERR_TARGET_*: each names the target, the guest offset and the reason.
 * ERR_TARGET_UNREACHABLE: its server is away, and was waited for.
 * ERR_TARGET_FULL from a write is no verdict on the object: the same write may be tried again
 * (J3).  Any other failure to write, and any failure to sync, is final (T3, T4).
 */
#ifndef QIMPORT_TARGET_TARGET_H
#define QIMPORT_TARGET_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"

enum target_kind { TARGET_FILE, TARGET_BLOCK, TARGET_NBD };

/* "file", "block", "nbd": what the journal and status call it. */
const char *target_kind_word (enum target_kind kind);

/* Which disk it is, over remounts and reboots (T8, T9, T12): NAME=VALUE pairs separated by
 * spaces, values without spaces or control bytes:
 *   kind=file uuid=... ino=... gen=... size=... dev=... [over=...]
 *   kind=block size=... [serial wwid rbd partuuid start dm md loop]=... dev=...
 *   kind=nbd uri=... size=...
 * Of a file the UUID in its extended attribute counts, and on the same st_dev its inode and
 * generation too (a copy put in its place is another file); without extended attributes inode
 * and generation (FAT has neither: there only name and size are left).  Of a device all that
 * is known but its number, which counts only where nothing else is known.  OVER is the file
 * that the user allowed to be replaced. */
struct target_identity {
  char text[512];
};

/* How far the marker of a target had come with a sync: the journal keeps it with what that sync
 * made durable, and gives it back at a resume.  Epoch 0: not claimed yet. */
struct target_mark {
  uint32_t run;
  uint64_t epoch;
};

struct target_spec {
  const char *path;      /* as the user gave it, or what target_preflight made of it */
  uint64_t virtual_size; /* bytes */
  struct {
    /* of a file, in the end: larger, or shorter by less than a sector, which is zeros then; of
     * all else what it has at least; 0: as virtual_size */
    uint64_t size;
    bool may_grow; /* a finished one: a guest that uses it makes it longer */
  } file;
  const char *import_uuid;  /* whose it is: in the marker, and in an attribute of a file */
  int64_t begun_at;         /* ms since 1970, for the marker */
  struct target_mark known; /* of the last commit */
  bool force;               /* overwrite an existing file, or a device that holds data */
  const char *replaces;     /* an import whose marker and part file are no obstacle; or NULL */
  bool renew;               /* --restart: remove what has the part file's name */
  bool any_age;             /* audit: an older copy of it too, see target_vouch */
  bool in_place;            /* --unallocated keep: the target exists, keeps what it holds */
  bool zero_promised;       /* --target-is-zero: devices only */
  bool same_stays;          /* devices: what is there already is not written again */
  bool preallocate;         /* refused where the file system cannot reserve space */
  const char *journal_path; /* refuse this file as target; may be NULL */
  const char *const *source_paths; /* local sources, likewise, then NULL; may be NULL */
  /* of a target behind a server: how long it is waited for, at first and when it went away */
  int64_t connect_time_ms, retry_time_ms;
  const atomic_bool *stop; /* ends that; may be NULL */
  bool insecure;           /* its server's certificate is not checked */
};

struct target;

/* What can be refused before anything is fetched or created: kind of file, existing file
 * without force, a part file that is there already, mounted, read-only, in use, size if it
 * is known already.  virtual_size 0: not known yet.  KIND tells what it would be; CANONICAL
 * (PATH_MAX) the absolute path that names it for good: the directory resolved, the last
 * component as given, so that /dev/disk/by-id/... is still the same device after a reboot. */
int target_preflight (const struct target_spec *spec, enum target_kind *kind, char *canonical,
                      struct error *err);

/* Only the name that target_preflight gives it, and nothing else is looked at; "" where the
 * path can be none of a target. */
void target_canonical (const char *path, char *canonical);

/* Do two names that target_preflight gave mean one target, as far as names and numbers tell? */
bool target_is_same (const char *a, const char *b);

/* Only that: is the target, or its part file, one of spec->source_paths, or does one of them
 * lie on the other?  What cannot be looked at is for others to refuse. */
int target_refuse_sources (const struct target_spec *spec, struct error *err);

/* The UUID of the import whose marker the target carries, by whatever name; "": none. */
void target_marked_by (const struct target_spec *spec, char import[37]);

/* Bytes free where the target would be, for a warning; UINT64_MAX if it cannot be told or does
 * not matter (a device, an existing file written in place). */
uint64_t target_free_space (const struct target_spec *spec);

/* ---- A target names its import (J9) -------------------------------------------------------
 *
 * From the claim to the finish the first sector of a target is a marker (marker.h): the
 * import's UUID, and how many syncs it has had.  What belongs there is held back (below).
 * Whatever a path, an inode or a serial number says, the marker tells whose the target is:
 * without it nothing is written.
 *
 *   begin:   target_create;  record target_identity;  store what is held back;  target_claim
 *   commit:  target_sync;  record target_mark with what is committed
 *   resume:  target_reopen with the last target_mark;  restore what was held back
 *   finish:  target_finish writes the true first sector over the marker, last of all
 *
 * A marker that is older than what the journal recorded is that of an older copy: refused.  A
 * target whose first sector is the true one is finished, whatever the journal says, and never
 * written again. */

/* Create the part file (exclusively, 0600 while it is unfinished; claimed at once), or open the
 * device or the existing file, and lock it; size it; sync the directory (T23).  What a device
 * or a file written in place holds is not changed yet.  When it fails nothing new is left
 * behind.
 */
int target_create (struct target **out, const struct target_spec *spec, struct error *err);

/* Open what an earlier process created, lock it, and see that it is ours (J9): by its marker,
 * whatever name or inode it has now; where it has none, by RECORDED (J4).  *ALREADY (may be
 * NULL): the true first sector is written, or the rename had happened too.  Nothing is written
 * to it any more: if what was committed reads as it should, target_finish (which holds what was
 * held back against what stands there) and the journal's last step are what is missing.
 * RECORDED NULL or "": the process ended before its identity was recorded.  Nothing that was
 * written then counts: a part file must carry spec->import_uuid, and is emptied (or hold no
 * data, where there are no extended attributes); where there is none, or on a device, this is
 * target_create. */
int target_reopen (struct target **out, const struct target_spec *spec,
                   const struct target_identity *recorded, bool *already, struct error *err);

/* The marker, durably, over what stands there: before anything else is written.  Again:
 * nothing.
 */
int target_claim (struct target *t, struct error *err);
bool target_is_claimed (const struct target *t);
/* Of an older copy (any_age): all that the journal calls committed was compared, and what was
 * not there written anew.  From the next target_sync on it is as good as the one it was copied
 * from.
 */
void target_vouch (struct target *t, const struct target_spec *spec);
/* As of the last target_sync. */
struct target_mark target_mark (const struct target *t);

/* Open a finished target for reading (audit) or, with REPAIR, for writing too: locked then, and
 * nothing is held back. */
int target_open_finished (struct target **out, const struct target_spec *spec,
                          const struct target_identity *recorded, bool repair,
                          struct error *err);

void target_close (struct target *t); /* releases the lock; what is not synced may be lost */
OWNABLE (target)

enum target_kind target_kind (const struct target *t);
const struct target_identity *target_identity (const struct target *t);
/* What is never written reads as zeros. */
bool target_reads_zero (const struct target *t);
/* --restart: the target holds what was written, so that no longer reads as zeros; and a journal
 * of before has nothing to go on with: target_claim comes again. */
void target_begin_anew (struct target *t);

/* Loops over short writes, EINTR and EAGAIN (T5).  Never beyond virtual_size.  Write-back
 * begins at once, and soon the page cache forgets what was written. */
int target_write (struct target *t, guest_off at, const void *buf, size_t len,
                  struct error *err);
/* Several buffers in a row on the disk, one call; IOV as in pwritev. */
struct iovec;
int target_writev (struct target *t, guest_off at, const struct iovec *iov, int n,
                   struct error *err);

/* Make LEN bytes read as zeros, by the kernel's guaranteed means, else by writing (T6, T7); in
 * pieces of 64 MiB at most; *STOP (may be NULL) is looked at between them: ERR_INTERRUPTED. */
int target_zero (struct target *t, guest_off at, uint64_t len, const atomic_bool *stop,
                 struct error *err);

/* J1: 0 only after the bytes of every target_write and target_zero that returned before the
 * call are durable (what is held back excepted: see below).  A failure is final for this object
 * (T3): every later call fails too.  A file that was cut, replaced or removed meanwhile is
 * refused here, not at the end only (T21). */
int target_sync (struct target *t, struct error *err);

/* ---- What is held back -------------------------------------------------------------------
 *
 * Where the marker stands nothing else can: the first 4 KiB are written last, by target_finish.
 * On a device it is the first MiB, which makes a disk bootable; what the device held there
 * before is blanked with the first write.  Until then target_write and target_zero keep guest
 * bytes [0, target_holds_back) in memory.  With in_place what stood there is held back from the
 * start: the caller stores it before target_claim.
 *
 * It is lost with the process.  Zeros need no care: what target_finish was not told it writes
 * as zeros, so zero runs may be committed at once.  With data the caller has the choice:
 *
 *   - it commits nothing that reaches into the first MiB before target_finish returned 0, and
 *     fetches that again at a resume; or
 *   - it keeps the pieces in its journal, in the transaction that commits them:
 *       commit:  target_sync;  of every piece: if target_held_changed, store it;  commit
 *       resume:  target_reopen;  target_held_restore every piece that is stored
 *     What was written before target_held_changed was called is in what it hands out (more does
 *     no harm, J3).  A piece says which sectors it knows: a caller that forgets to restore is
 *     found out, after either call target_finish refuses (ERR_INTERNAL) a first MiB of which
 *     some sector was never written, zeroed or restored (but where target_reads_zero). */
enum {
  TARGET_HELD_PIECES = 16,
  TARGET_HELD_DATA = 65536,
  TARGET_HELD_SIZE = TARGET_HELD_DATA + TARGET_HELD_DATA / SECTOR / 8 /* a piece as stored */
};

/* 0 after target_finish, and of a disk of 0 bytes. */
uint64_t target_holds_back (const struct target *t);
/* True if PIECE (0 .. TARGET_HELD_PIECES - 1) changed since this was last asked, with the
 * TARGET_HELD_SIZE bytes to store in OUT. */
bool target_held_changed (struct target *t, unsigned piece, void *out);
int target_held_restore (struct target *t, unsigned piece, const void *stored, size_t len,
                         struct error *err);

/* Uncached where it can be (O_DIRECT, else POSIX_FADV_DONTNEED): what the disk holds, not what
 * memory does (D4); of what is held back, what was written. */
int target_read (struct target *t, guest_off at, void *buf, size_t len, struct error *err);
/* The run of data or hole at AT, within virtual_size: *LEN its length, *HOLE.  A device is all
 * data. */
int target_next (struct target *t, guest_off at, uint64_t *len, bool *hole, struct error *err);

/* Check size and identity once more (T21), sync, write what was held back, its first sector
 * after all else, sync again, read that back, rename (replacing nothing but the file that force
 * allowed), sync the directory, read the partition table again.  When it returns 0 the disk is
 * whole, in its place and durable.  May be repeated after a crash at any point. */
int target_finish (struct target *t, struct error *err);

/* Remove what target_create made, for an import that ends before it began; what target_claim
 * replaced comes back.  Closes T. */
void target_discard (struct target *t);

/* An import is given up, and with in_place the target is to be kept: if it carries the marker
 * of SPEC's import, FIRST (what was held back, LEN bytes) comes back in its place.  0 also
 * where there is no such target. */
int target_give_back (const struct target_spec *spec, const void *first, size_t len,
                      struct error *err);

#endif
