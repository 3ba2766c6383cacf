/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * open_target: what the files of this room share: the open target, the place it is named by,
 * and the few functions that pass between them.  Nobody outside src/target includes this.
 *
 *   open_target.c   opening, closing, syncing, finishing: the order of things
 *   place.c         from the user's path to a place, and what is refused there
 *   part_file.c     the part file: create, lock, rename
 *   lock.c          the lock, and who else holds one
 *   device.c        the block device: refuse, open, lock, partition table
 *   export.c        the export of an NBD server: refuse, open
 *   nbd_export.c    its bytes;  nbd_connect.c  the way there
 *   identity.c      which disk it is
 *   claim.c         the marker on the disk (J9);  marker.c  what it says
 *   head.c          what is written last, held back
 *   amend.c         what is not as the image has it;  gpt.c  its partition table, moved
 *   write.c         write, zero;  behind.c  what is written leaves the page cache
 *   read.c          read uncached, holes
 */
#ifndef QIMPORT_TARGET_OPEN_TARGET_H
#define QIMPORT_TARGET_OPEN_TARGET_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include "target/marker.h"
#include "target/target.h"

/* A path escaped for messages: they have 1024 bytes and other things to say. */
enum { TARGET_SHOWN = 400 };

struct target_place {
  char path[PATH_MAX]; /* canonical: dir resolved, last component as given */
  char dir[PATH_MAX];
  char name[NAME_MAX + 1];
  char part[NAME_MAX + 1];
  char shown[TARGET_SHOWN];
  enum target_kind kind;
  bool exists;
  struct stat st; /* if it exists; of the device, where a link names one */
  int dir_fd;     /* -1 where it is no file */
};

struct head;
struct amends;

/* What was written last, and is still in the page cache. */
enum { BEHIND_MAX = 1024 };

struct behind {
  pthread_mutex_t lock;
  struct guest_range range[BEHIND_MAX];
  unsigned head, tail; /* count up; their difference is how many there are */
  uint64_t bytes;
};

/* What the first block of a target says of it. */
enum target_stands {
  STANDS_UNCLAIMED,   /* it is as it was before the import */
  STANDS_MARKED,      /* ours, in progress */
  STANDS_OLDER,       /* ours, but without some of what the journal calls committed */
  STANDS_FINISHED,    /* it has no marker any more */
  STANDS_OLD_VERSION, /* begun by a version that wrote none: its recorded identity counts */
};

/* J9: what its first block says, and said. */
struct target_claim {
  enum target_stands stands;
  bool marked;    /* carries our marker: may be written */
  bool repairing; /* a finished one that --repair may write */
  bool now;       /* by this object: target_discard undoes it */
  struct marker marker;
  struct target_mark mark;      /* of the last sync */
  uint8_t sector[SECTOR];       /* the marker as it was written last */
  uint8_t before[MARKER_BLOCK]; /* what stood there when it was opened */
  char first[17];               /* names that, until it is claimed */
};

/* For reading past the page cache. */
struct target_raw {
  int fd; /* -1: the target's */
  bool direct;
  uint32_t align;
};

struct target {
  struct target_place place;
  struct target_identity id;
  _Atomic uint64_t virtual_size;
  struct {
    _Atomic uint64_t size;      /* of it no byte beyond is read or written */
    pthread_mutex_t lock;       /* it has that size */
    bool may_grow;              /* see target_spec */
    pthread_mutex_t one_writer; /* the kernel lets in one, others would spin */
  } file;
  struct nbd_export *nbd; /* NULL: there is a descriptor */
  int fd;                 /* the locks hang on its open file description */
  struct target_raw raw;
  bool created;      /* by this object: target_discard removes it */
  bool in_place;     /* no part file: the target itself is written */
  bool in_its_place; /* a part file that has been renamed */
  bool reads_zero, preallocated, same_stays;
  struct target_claim claim;
  struct {
    uint64_t ino, gen;
  } over;                 /* the file that may be replaced; ino 0: none */
  atomic_int failed;      /* errno of the failure that ended it, or 0 */
  atomic_int zero_method; /* the kernel's ways before this one do not work here */
  struct head *head;      /* NULL: nothing is held back */
  struct behind behind;
  struct amends *amends; /* NULL: none */
};

/* What a target that is written in place has at least. */
static inline uint64_t
target_least (const struct target_spec *spec)
{
  return spec->file.size > spec->virtual_size ? spec->file.size : spec->virtual_size;
}

/* place.c */
int target_place_find (struct target_place *p, const char *path, struct error *err);
void target_place_release (struct target_place *p);
/* Opens never land on descriptors 0 to 2 (P12); O_CLOEXEC always. */
int target_open_at (int dir_fd, const char *name, int flags, mode_t mode);
/* The name of the part file of NAME; names there have at most NAME_LEN bytes. */
void target_part_name (char part[NAME_MAX + 1], const char *name, size_t name_len);

/* overlap.c */
int target_place_refuse_sources (const struct target_place *p, const struct target_spec *spec,
                                 struct error *err);

/* part_file.c */
static inline uint64_t
target_file_size (const struct target_spec *spec)
{
  return spec->file.size > 0 ? spec->file.size : spec->virtual_size;
}

int target_file_preflight (const struct target_spec *spec, const struct target_place *p,
                           struct error *err);
int target_file_create (struct target *t, const struct target_spec *spec, struct error *err);
/* 1: there is no part file and RECORDED names none. */
int target_file_reopen (struct target *t, const struct target_spec *spec,
                        const struct target_identity *recorded, struct error *err);
int target_file_open_whole (struct target *t, const struct target_spec *spec, bool write,
                            struct error *err);
/* T21: refused if it was cut or grown, or is not the file that goes by its name any more. */
int target_file_check (struct target *t, struct error *err);
int target_file_resize (struct target *t, uint64_t size, struct error *err);
int target_file_finish (struct target *t, struct error *err);
/* The file that goes by the target's name must not be the disk of a running machine. */
int target_file_refuse_locked (const struct target_place *p, struct error *err);
void target_file_remove (struct target *t);

/* lock.c */
int target_lock (int fd, const char *shown, struct error *err);
bool target_is_locked (int fd);
int target_refuse_busy (const char *shown, struct error *err);
/* Of a device: locks that were taken by way of another node of it. */
int target_refuse_holders (const struct target_place *p, struct error *err);

/* publish.c */
int target_file_publish (struct target *t, struct error *err);
int target_sync_dir (struct target *t, struct error *err);

/* device.c */
/* Is INNER the device OUTER, or a partition of it? */
bool target_device_is_on (dev_t inner, dev_t outer);
int target_device_preflight (const struct target_spec *spec, const struct target_place *p,
                             struct error *err);
enum device_open { DEVICE_NEW, DEVICE_AGAIN, DEVICE_READ };
/* Has it room for so many bytes? */
int target_device_fits (const struct target *t, uint64_t size, struct error *err);
int target_device_open (struct target *t, const struct target_spec *spec, enum device_open how,
                        struct error *err);
int target_device_finish (struct target *t, struct error *err);

/* export.c */
int target_export_preflight (const struct target_spec *spec, const struct target_place *p,
                             struct error *err);
int target_export_fits (const struct target *t, uint64_t size, struct error *err);
int target_export_open (struct target *t, const struct target_spec *spec, enum device_open how,
                        struct error *err);
/* As target_marked_by. */
void target_export_marked_by (const struct target_spec *spec, const struct target_place *p,
                              char import[37]);

/* identity.c */
int target_identify (struct target *t, struct error *err);
/* J4.  False with the difference said in ERR. */
int target_identity_check (const struct target *t, const struct target_identity *recorded,
                           struct error *err);
/* The value of KEY in TEXT; false if it has none. */
bool target_identity_value (const char *text, const char *key, char *value, size_t size);
/* 0 where the file system has no generations. */
uint64_t target_generation (int fd);
/* The UUID in FD's extended attribute, or "". */
void target_mark_get (int fd, char uuid[40]);

/* claim.c */
/* Is its first sector the true one?  Then nothing may be written to it. */
bool target_is_finished (const struct target *t);
bool target_marker_look (int fd, struct marker *m);
bool target_marker_see (const struct target *t, struct marker *m);
/* The disk that DEV is a partition of, or a partition of DEV, carries a marker. */
bool target_marker_near (dev_t dev, struct marker *m);
int target_refuse_near (const struct target *t, const struct target_spec *spec,
                        struct error *err);
int target_refuse_marked (const char *shown, const struct marker *m, struct error *err);
/* ERR_TARGET_CHANGED: it has no marker, and should have ours. */
int target_refuse_unmarked (const struct target *t, struct error *err);
bool target_is_ours (const struct target_spec *spec, const struct marker *m);
/* Or its import's that this one takes the place of. */
bool target_gives_way (const struct target_spec *spec, const struct marker *m);
uint32_t target_new_run (void);
/* Of a target that the journal has: sets t->stands.  RECORDED: its identity's text. */
int target_recognise (struct target *t, const struct target_spec *spec, const char *recorded,
                      struct error *err);
/* Of one that it has not: what stands there, for target_claim. */
int target_look_before (struct target *t, const struct target_spec *spec, struct error *err);
/* A marker for T, not written yet. */
void target_marker_new (struct target *t, const struct target_spec *spec);
int target_marker_write (struct target *t, struct error *err);
/* The next epoch, before a sync; and after it. */
int target_marker_step (struct target *t, struct error *err);
void target_marker_synced (struct target *t);
void target_unclaim (struct target *t);

/* head.c */
int target_head_new (struct target *t, struct error *err);
void target_head_close (struct head *h);
uint64_t target_head_len (const struct head *h);
void target_head_write (struct head *h, uint64_t at, const void *buf, size_t len);
void target_head_zero (struct head *h, uint64_t at, size_t len);
void target_head_read (struct head *h, uint64_t at, void *buf, size_t len);
/* Before the first write to the device: blank what it holds there, durably. */
int target_head_blank (struct target *t, struct error *err);
/* All of it but the first sector, durably; then that, not yet synced. */
int target_head_flush (struct target *t, struct error *err);
/* Everything else, all of it, and what target_head_settle does. */
int target_head_finish (struct target *t, struct error *err);
/* After that sync: does the disk say so?  Then nothing is held back any more. */
int target_head_settle (struct target *t, struct error *err);

/* behind.c */
/* LEN bytes at AT were written through the page cache. */
void target_behind (struct target *t, uint64_t at, uint64_t len);

/* amend.c */
/* One of them as it is stored, to OUT, if that is not NULL.  Returns its length. */
size_t target_amend_put (uint8_t *out, uint64_t at, const uint8_t *was, const uint8_t *is,
                         uint32_t len);
/* What was read of the disk, as whoever reads the target is told. */
void target_amend_read (const struct target *t, uint64_t at, uint8_t *buf, size_t len);
/* After a repair wrote there what the image has. */
int target_amend_again (struct target *t, uint64_t at, uint64_t len, struct error *err);

/* write.c */
int target_pwrite (struct target *t, uint64_t at, const void *buf, size_t len,
                   struct error *err);
/* -1 if T has failed before. */
int target_usable (struct target *t, struct error *err);
int target_flush (struct target *t, bool metadata, struct error *err);
/* Zeros onto the disk itself, also where it is held back. */
int target_zero_span (struct target *t, uint64_t at, uint64_t len, struct error *err);

/* How many of LEN bytes at AT are there: of a file that is shorter than the disk the last ones
 * are not, and read as zeros. */
static inline uint64_t
target_there (const struct target *t, uint64_t at, uint64_t len)
{
  if (t->place.kind != TARGET_FILE || at + len <= t->file.size)
    return len;
  return at < t->file.size ? t->file.size - at : 0;
}

/* read.c */
int target_read_disk (struct target *t, uint64_t at, void *buf, size_t len, struct error *err);
void target_open_raw (struct target *t);

#endif
