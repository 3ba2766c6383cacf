/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * write: guest bytes to guest offsets, zeros by the kernel's guaranteed means (T6, T7), and the
 * sync that J1 rests on.  Loops over short writes, EINTR and EAGAIN (T5); never writes beyond
 * virtual_size.  A failure that is no want of space ends the object (T3, T4).
 */
#include "target/open_target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "target/nbd.h"

enum { ZERO_PIECE = 64 << 20, ZERO_BUFFER = 1 << 20, ZERO_ALIGN = 4096 };

enum { IOV_AT_ONCE = 256, COMPARED = 32 << 10 };

enum zero_method { ZERO_PUNCH, ZERO_RANGE, ZERO_WRITE };

/* Of a target behind a server, what is about the way to it. */
static bool
is_away (int errnum)
{
  return errnum == ENOTCONN || errnum == ESTALE || errnum == ECANCELED;
}

/* Ends the object. */
static int
fail_away (struct target *t, int errnum, struct error *err)
{
  const char *shown = t->place.shown;
  char why[EXPORT_WHY];

  atomic_store (&t->failed, errnum);
  if (errnum == ECANCELED)
    return fail (err, ERR_INTERRUPTED, "%s: interrupted while its server did not answer",
                 shown);
  if (errnum == ESTALE)
    return fail (err, ERR_TARGET_CHANGED,
                 "%s was away and is not what it was (%s); put that back, then resume: what is "
                 "committed stays",
                 shown, export_why (t->nbd, why));
  return fail (err, ERR_TARGET_UNREACHABLE,
               "%s went away (%s) and did not come back within --retry-time; start its server, "
               "then resume: what is committed stays",
               shown, export_why (t->nbd, why));
}

/* ERR for ERRNUM while doing VERB at AT; what is no want of space ends the object. */
static int
fail_at (struct target *t, int errnum, const char *verb, uint64_t at, struct error *err)
{
  const char *shown = t->place.shown;
  char words[128];
  const char *why = errno_words (errnum, words, sizeof words);

  if (errnum == ENOSPC || errnum == EDQUOT)
    return fail (err, ERR_TARGET_FULL,
                 "%s: cannot %s at guest offset %" PRIu64
                 ": %s; make room there, then resume: what is committed stays",
                 shown, verb, at, why);
  if (t->nbd != NULL && is_away (errnum))
    return fail_away (t, errnum, err);
  atomic_store (&t->failed, errnum);
  if (errnum == EFBIG)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: cannot %s at guest offset %" PRIu64
                 ": %s; raise the limit (ulimit -f), or use a file system for larger files",
                 shown, verb, at, why);
  return fail (err, ERR_TARGET_FAILED,
               "%s: cannot %s at guest offset %" PRIu64
               ": %s; see the kernel's log, mend or replace the disk, then resume: what is "
               "committed stays",
               shown, verb, at, why);
}

int
target_usable (struct target *t, struct error *err)
{
  int errnum = atomic_load (&t->failed);

  if (errnum == 0)
    return 0;
  if (t->nbd != NULL && is_away (errnum))
    return fail_away (t, errnum, err);
  return fail_errno (err, ERR_TARGET_FAILED, errnum,
                     "%s failed before and is not used again until the import is resumed",
                     t->place.shown);
}

/* True if the call is worth another try: interrupted, or not just now, for ten seconds. */
static bool
again (int errnum, unsigned *tries)
{
  static const struct timespec ten_ms = { 0, 10 * 1000 * 1000 };

  if (errnum == EINTR)
    return true;
  if (errnum != EAGAIN || ++*tries > 1000)
    return false;
  nanosleep (&ten_ms, NULL);
  return true;
}

/* 0 or an errno; *AT is where it failed. */
static int
write_vector (int fd, uint64_t *at, struct iovec *iov, int n)
{
  unsigned tries = 0;

  while (n > 0) {
    ssize_t done = n == 1 ? pwrite (fd, iov->iov_base, iov->iov_len, (off_t)*at)
                          : pwritev (fd, iov, n, (off_t)*at);

    if (done == -1) {
      if (again (errno, &tries))
        continue;
      return errno;
    }
    if (done == 0)
      return EIO;
    *at += (uint64_t)done;
    while (n > 0 && (size_t)done >= iov->iov_len) {
      done -= (ssize_t)iov->iov_len;
      iov++;
      n--;
    }
    if (n > 0) {
      iov->iov_base = (char *)iov->iov_base + done;
      iov->iov_len -= (size_t)done;
    }
  }
  return 0;
}

/* Without what lies beyond the end of the file. */
static int
cut_vector (const struct target *t, uint64_t at, struct iovec *iov, int n)
{
  int i;

  for (i = 0; i < n && target_there (t, at, iov[i].iov_len) == iov[i].iov_len; i++)
    at += iov[i].iov_len;
  if (i == n)
    return n;
  iov[i].iov_len = (size_t)target_there (t, at, iov[i].iov_len);
  return iov[i].iov_len > 0 ? i + 1 : i;
}

/* The same to whatever T is. */
static int
put_vector (struct target *t, uint64_t *at, struct iovec *iov, int n)
{
  int r = 0;

  if (t->nbd == NULL) {
    bool alone = t->place.kind == TARGET_FILE;

    if (alone)
      pthread_mutex_lock (&t->file.one_writer);
    r = write_vector (t->fd, at, iov, cut_vector (t, *at, iov, n));
    if (alone)
      pthread_mutex_unlock (&t->file.one_writer);
    return r;
  }
  for (; n > 0 && r == 0; iov++, n--) {
    r = export_write (t->nbd, *at, iov->iov_base, iov->iov_len);
    if (r == 0)
      *at += iov->iov_len;
  }
  return r;
}

int
target_pwrite (struct target *t, uint64_t at, const void *buf, size_t len, struct error *err)
{
  struct iovec iov = { (void *)(uintptr_t)buf, len };
  int errnum = len == 0 ? 0 : put_vector (t, &at, &iov, 1);

  return errnum == 0 ? 0 : fail_at (t, errnum, "write", at, err);
}

static int
check_range (struct target *t, guest_off at, uint64_t len, struct error *err)
{
  struct guest_range r = { at, len };

  if (target_usable (t, err) == -1)
    return -1;
  if (guest_range_within (r, t->virtual_size))
    return 0;
  return fail (err, ERR_INTERNAL,
               "%s: guest range %" PRIu64 "+%" PRIu64 " reaches beyond the disk's %" PRIu64
               " bytes; this is a fault of qimport, please report it",
               t->place.shown, at.v, len, t->virtual_size);
}

int
target_write (struct target *t, guest_off at, const void *buf, size_t len, struct error *err)
{
  struct iovec iov = { (void *)(uintptr_t)buf, len };

  return target_writev (t, at, &iov, 1, err);
}

/* What of IOV lies in the head is kept there; the rest, at most IOV_AT_ONCE pieces of it, is
 * put into OUT.  Advances *AT over what was kept, and IOV and N over what was taken. */
static int
take_pieces (struct target *t, uint64_t *at, const struct iovec **iov, int *n,
             struct iovec out[IOV_AT_ONCE])
{
  uint64_t head = t->head == NULL ? 0 : target_head_len (t->head);
  int taken = 0;

  for (; *n > 0 && taken < IOV_AT_ONCE; (*iov)++, (*n)--) {
    struct iovec v = **iov;

    if (taken == 0 && *at < head) {
      size_t len = (size_t)min_u64 (v.iov_len, head - *at);

      target_head_write (t->head, *at, v.iov_base, len);
      *at += len;
      v.iov_base = (char *)v.iov_base + len;
      v.iov_len -= len;
    }
    if (v.iov_len > 0)
      out[taken++] = v;
  }
  return taken;
}

static uint64_t
iov_sum (const struct iovec *iov, int n)
{
  uint64_t sum = 0;
  int i;

  for (i = 0; i < n; i++)
    sum += iov[i].iov_len;
  return sum;
}

/* The first bytes of BUF, up to LEN: how many of them are to be treated alike, and whether they
 * are there ALREADY.  A read that fails is no answer: the write will have its own. */
static size_t
compare_piece (struct target *t, uint64_t at, const uint8_t *buf, size_t len, bool *already)
{
  uint8_t there[COMPARED];
  size_t n = (size_t)min_u64 (len, sizeof there);

  *already = pread (t->fd, there, n, (off_t)at) == (ssize_t)n && memcmp (there, buf, n) == 0;
  return n;
}

/* What is there already stays as it is: J1 holds for it since the import that wrote it, and the
 * sync that comes covers whoever else did. */
static int
write_what_differs (struct target *t, uint64_t *at, const struct iovec *v)
{
  const uint8_t *buf = v->iov_base;
  size_t len = v->iov_len;
  int errnum = 0;

  while (len > 0 && errnum == 0) {
    bool already;
    size_t n = compare_piece (t, *at, buf, len, &already);
    struct iovec piece = { (void *)(uintptr_t)buf, n };

    if (already)
      *at += n;
    else
      errnum = write_vector (t->fd, at, &piece, 1);
    buf += n;
    len -= n;
  }
  return errnum;
}

static int
write_pieces (struct target *t, uint64_t *at, struct iovec *iov, int n)
{
  int i, errnum = 0;

  if (!t->same_stays)
    return put_vector (t, at, iov, n);
  for (i = 0; i < n && errnum == 0; i++)
    errnum = write_what_differs (t, at, &iov[i]);
  return errnum;
}

int
target_writev (struct target *t, guest_off at, const struct iovec *iov, int n,
               struct error *err)
{
  struct iovec pieces[IOV_AT_ONCE];
  uint64_t pos = at.v, from;
  int taken, errnum;

  if (check_range (t, at, iov_sum (iov, n), err) == -1 || target_head_blank (t, err) == -1)
    return -1;
  while (n > 0) {
    taken = take_pieces (t, &pos, &iov, &n, pieces);
    from = pos;
    errnum = write_pieces (t, &pos, pieces, taken);
    if (errnum == 0)
      target_behind (t, from, pos - from);
    if (errnum != 0)
      return fail_at (t, errnum, "write", pos, err);
  }
  return target_amend_again (t, at.v, pos - at.v, err);
}

static int
write_zeros (struct target *t, uint64_t at, uint64_t len, struct error *err)
{
  static const uint8_t zeros[ZERO_BUFFER];

  while (len > 0) {
    size_t n = (size_t)min_u64 (len, sizeof zeros);

    if (target_pwrite (t, at, zeros, n, err) == -1)
      return -1;
    at += n;
    len -= n;
  }
  return 0;
}

static bool
kernel_zeroes (struct target *t, enum zero_method how, uint64_t at, uint64_t len)
{
  int mode = FALLOC_FL_KEEP_SIZE, r;

  switch (how) {
  case ZERO_PUNCH:
    if (t->preallocated) /* would give the space back */
      return false;
    mode |= FALLOC_FL_PUNCH_HOLE;
    break;
  case ZERO_RANGE:
    mode |= FALLOC_FL_ZERO_RANGE;
    break;
  case ZERO_WRITE:
    return false;
  }
  do
    r = fallocate (t->fd, mode, (off_t)at, (off_t)len);
  while (r == -1 && errno == EINTR);
  return r == 0;
}

/* AT and LEN aligned for the device.  A way that fails is not tried again: whatever the reason,
 * the next one is right too, and only the last one's error counts. */
static int
zero_piece (struct target *t, uint64_t at, uint64_t len, struct error *err)
{
  int how = atomic_load (&t->zero_method);

  for (; how < ZERO_WRITE; how++) {
    if (kernel_zeroes (t, (enum zero_method)how, at, len))
      return 0;
    atomic_store (&t->zero_method, how + 1);
  }
  return write_zeros (t, at, len, err);
}

/* The edges that share a page with other bytes are written: the kernel's zeroing of a device
 * wants whole sectors, and drops whole pages of its cache. */
int
target_zero_span (struct target *t, uint64_t at, uint64_t len, struct error *err)
{
  uint64_t align = max_u64 (ZERO_ALIGN, t->raw.align);
  uint64_t end = at + target_there (t, at, len);
  uint64_t from = align_up (at, align), to = align_down (end, align);
  int r;

  if (t->nbd != NULL) {
    r = export_zero (t->nbd, at, len);
    return r == 0 ? 0 : fail_at (t, r, "write zeros", at, err);
  }
  if (from >= to)
    return write_zeros (t, at, len, err);
  if (write_zeros (t, at, from - at, err) == -1 || zero_piece (t, from, to - from, err) == -1)
    return -1;
  return write_zeros (t, to, end - to, err);
}

int
target_zero (struct target *t, guest_off at, uint64_t len, const atomic_bool *stop,
             struct error *err)
{
  uint64_t pos = at.v, end, head = t->head == NULL ? 0 : target_head_len (t->head);

  if (check_range (t, at, len, err) == -1 || target_head_blank (t, err) == -1)
    return -1;
  end = at.v + len;
  if (pos < head && len > 0) {
    uint64_t kept = min_u64 (end, head) - pos;

    target_head_zero (t->head, pos, (size_t)kept);
    pos += kept;
  }
  while (pos < end) {
    uint64_t n = min_u64 (end - pos, ZERO_PIECE - (pos & (ZERO_ALIGN - 1)));

    if (stop != NULL && *stop)
      return fail (err, ERR_INTERRUPTED,
                   "%s: interrupted while writing zeros at guest offset %" PRIu64,
                   t->place.shown, pos);
    if (target_zero_span (t, pos, n, err) == -1)
      return -1;
    pos += n;
  }
  return target_amend_again (t, at.v, len, err);
}

/* As fdatasync. */
static int
flush_export (struct target *t)
{
  errno = export_flush (t->nbd);
  return errno == 0 ? 0 : -1;
}

/* The one sync of the room.  EINTR is no answer; every other error is final: the kernel drops
 * what it could not write and the next sync would say 0 (T3). */
int
target_flush (struct target *t, bool metadata, struct error *err)
{
  int r = 0;

#ifdef SEEDED_BUG_NO_FDATASYNC
  if (t->nbd != NULL)
    r = flush_export (t);
  (void)metadata;
#else
  do
    r = t->nbd != NULL ? flush_export (t) : metadata ? fsync (t->fd) : fdatasync (t->fd);
  while (r == -1 && errno == EINTR);
#endif
#ifdef SEEDED_BUG_FSYNC_RETRIED
  if (r == -1)
    r = t->nbd != NULL ? flush_export (t) : fdatasync (t->fd);
#endif
  if (r == 0)
    return 0;
  r = errno;
  if (t->nbd != NULL && is_away (r))
    return fail_away (t, r, err);
  atomic_store (&t->failed, r);
  if (r == ENOSPC || r == EDQUOT)
    return fail_errno (err, ERR_TARGET_FULL, r,
                       "%s: cannot be synced; make room there, then resume: what is committed "
                       "stays",
                       t->place.shown);
  return fail_errno (err, ERR_TARGET_FAILED, r,
                     "%s: cannot be synced, what was written since the last commit is lost; "
                     "mend or replace the disk, then resume",
                     t->place.shown);
}

int
target_sync (struct target *t, struct error *err)
{
  if (target_usable (t, err) == -1
      || (t->place.kind == TARGET_FILE && target_file_check (t, err) == -1)
#ifndef SEEDED_BUG_EPOCH_AFTER_SYNC
      || target_marker_step (t, err) == -1
#endif
#ifdef SEEDED_BUG_NBD_COMMIT_WITHOUT_FLUSH
      || (t->nbd == NULL && target_flush (t, false, err) == -1))
#else
      || target_flush (t, false, err) == -1)
#endif
    return -1;
#ifdef SEEDED_BUG_EPOCH_AFTER_SYNC
  if (target_marker_step (t, err) == -1)
    return -1;
#endif
  target_marker_synced (t);
  return 0;
}
