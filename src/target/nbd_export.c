/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_export: see nbd.h.  Writes go into a log and from there to the server, several in flight;
 * a FLUSH empties the log.  When the connection is lost the log begins again from its start.
 * Requests in flight never overlap: a server may carry them out in any order.
 */
#include "target/nbd_export.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* A server that answers nothing for so long is away, whatever TCP says. */
enum { POLL_MS = 200, STALL_MS = 60000, STOP_MS = 1000, ZERO_MAX = 32 << 20 };

/* ---- What is in flight ------------------------------------------------------------------- */

static int
error_now (struct nbd_export *x)
{
  int errnum = nbd_get_errno ();

  nbd_note_why (x);
  if (nbd_is_lost (x) || errnum == ESHUTDOWN || errnum == ENOTCONN)
    return ENOTCONN;
  return errnum != 0 ? errnum : EIO;
}

/* Which of those in flight were answered; the first error among them. */
static int
collect (struct nbd_export *x)
{
  unsigned i, kept = 0;
  int r, errnum = 0;

  for (i = 0; i < x->log.n_flying; i++) {
    struct entry *e = &x->log.entry[x->log.flying[i]];

    r = nbd_aio_command_completed (x->h, (uint64_t)e->cookie);
    if (r == 0) {
      x->log.flying[kept++] = x->log.flying[i];
      continue;
    }
    e->state = r == 1 ? ENTRY_DONE : ENTRY_PENDING;
    if (r == 1)
      continue;
    errnum = errnum != 0 ? errnum : error_now (x);
    x->log.next = x->log.next < x->log.flying[i] ? x->log.next : x->log.flying[i];
  }
  x->log.n_flying = kept;
  return errnum;
}

/* Until something comes, or POLL_MS.  PATIENT: also where the user wants an end. */
static int
wait_some (struct nbd_export *x, bool patient)
{
  int r = nbd_poll (x->h, POLL_MS);
  int64_t idle;

  if (r == -1 && nbd_get_errno () != EINTR)
    return error_now (x);
  if (r == 1)
    x->heard = monotonic_ms ();
  idle = monotonic_ms () - x->heard;
  if (!patient && nbd_stopped (x) && idle > STOP_MS)
    return ECANCELED;
  if (idle > (x->retry_time_ms > STALL_MS ? x->retry_time_ms : STALL_MS)) {
    snprintf (x->why, sizeof x->why, "it does not answer any more");
    return ENOTCONN;
  }
  return 0;
}

static bool
overlaps_flying (const struct nbd_export *x, const struct entry *e)
{
  unsigned i;

  for (i = 0; i < x->log.n_flying; i++) {
    const struct entry *f = &x->log.entry[x->log.flying[i]];

    if (f->at < e->at + e->len && e->at < f->at + f->len)
      return true;
  }
  return false;
}

static int
send_entry (struct nbd_export *x, unsigned pos)
{
  struct entry *e = &x->log.entry[pos];

  if (e->data != NULL)
    e->cookie = nbd_aio_pwrite (x->h, e->data, (size_t)e->len, e->at, NBD_NULL_COMPLETION, 0);
  else /* may be a hole: nothing asks for the space */
    e->cookie = nbd_aio_zero (x->h, e->len, e->at, NBD_NULL_COMPLETION, 0);
  if (e->cookie == -1)
    return error_now (x);
  if (x->log.n_flying == 0)
    x->heard = monotonic_ms ();
  e->state = ENTRY_FLYING;
  x->log.flying[x->log.n_flying++] = pos;
  return 0;
}

/* All that is pending, in its order. */
static int
push (struct nbd_export *x)
{
  int r;

  if (nbd_is_lost (x))
    return ENOTCONN;
  r = collect (x);
  for (; r == 0 && x->log.next < x->log.n; x->log.next++) {
    const struct entry *e = &x->log.entry[x->log.next];

    if (e->state != ENTRY_PENDING)
      continue;
    while (r == 0 && (x->log.n_flying == IN_FLIGHT || overlaps_flying (x, e))) {
      r = wait_some (x, false);
      if (r == 0)
        r = collect (x);
    }
    if (r == 0)
      r = send_entry (x, x->log.next);
    if (r != 0)
      return r;
  }
  return r;
}

static int
drain (struct nbd_export *x)
{
  int r = 0;

  while (r == 0 && x->log.n_flying > 0) {
    r = wait_some (x, false);
    if (r == 0)
      r = collect (x);
  }
  return r;
}

/* ---- A connection that is lost ----------------------------------------------------------- */

/* Does the export still begin as it did with the last flush, or as something written since? */
static bool
begins_as_ours (const struct nbd_export *x, const uint8_t sector[SECTOR])
{
  static const uint8_t zeros[SECTOR];
  unsigned i;

  if (memcmp (sector, x->first, SECTOR) == 0)
    return true;
  for (i = 0; i < x->log.n; i++) {
    const struct entry *e = &x->log.entry[i];

    if (e->at == 0 && e->len >= SECTOR
        && memcmp (sector, e->data != NULL ? e->data : zeros, SECTOR) == 0)
      return true;
  }
  return false;
}

static int
check_again (struct nbd_export *x, const struct nbd_facts *was)
{
  uint8_t sector[SECTOR] = { 0 };

  if (x->facts.size != was->size || x->facts.block_min > was->block_min
      || x->facts.read_only != was->read_only || x->facts.flushes != was->flushes) {
    snprintf (x->why, sizeof x->why, "it is of another size or kind now");
    return ESTALE;
  }
  if (x->facts.size >= SECTOR && nbd_pread (x->h, sector, SECTOR, 0, 0) == -1)
    return error_now (x);
  if (begins_as_ours (x, sector))
    return 0;
  snprintf (x->why, sizeof x->why, "it does not begin any more as it was left");
  return ESTALE;
}

/* Everything that was not flushed is pending again. */
static int
reconnect (struct nbd_export *x)
{
  struct nbd_facts was = x->facts;
  unsigned i;
  int r;

  if (x->lost_at == 0)
    x->lost_at = monotonic_ms ();
  do {
    nbd_disconnect (x);
    for (i = 0; i < x->log.n; i++)
      x->log.entry[i].state = ENTRY_PENDING;
    x->log.next = x->log.n_flying = 0;
    r = nbd_connect_until (x, x->lost_at, x->retry_time_ms);
    if (r == 0)
      r = check_again (x, &was);
    x->facts = was;
  } while (r == ENOTCONN && !nbd_stopped (x)
           && monotonic_ms () - x->lost_at < x->retry_time_ms);
  return r;
}

static int
settle (struct nbd_export *x, bool all)
{
  int r;

  do {
    r = push (x);
    if (r == 0 && all)
      r = drain (x);
    if (r != ENOTCONN)
      return r;
    r = reconnect (x);
  } while (r == 0);
  return r;
}

/* ---- Flush ------------------------------------------------------------------------------- */

/* The one command of COOKIE, while nothing else is in flight. */
static int
await (struct nbd_export *x, int64_t cookie, bool patient)
{
  int r, done = 0;

  if (cookie == -1)
    return error_now (x);
  x->heard = monotonic_ms ();
  while (done == 0) {
    r = wait_some (x, patient);
    if (r != 0)
      return r;
    done = nbd_aio_command_completed (x->h, (uint64_t)cookie);
  }
  return done == 1 ? 0 : error_now (x);
}

static int
flush_once (struct nbd_export *x)
{
  return await (x, nbd_aio_flush (x->h, NBD_NULL_COMPLETION, 0), true);
}

/* What stands at 0 now, whatever becomes of the server. */
static void
empty_log (struct nbd_export *x)
{
  unsigned i;

  for (i = 0; i < x->log.n; i++) {
    const struct entry *e = &x->log.entry[i];

    assert (e->state == ENTRY_DONE);
    if (e->at == 0 && e->len >= SECTOR && e->data != NULL)
      memcpy (x->first, e->data, SECTOR);
    else if (e->at == 0 && e->len >= SECTOR)
      memset (x->first, 0, SECTOR);
  }
  x->log.n = x->log.next = 0;
  x->log.used = 0;
  x->lost_at = 0;
}

static int
flush (struct nbd_export *x)
{
  int r;

  do {
    r = settle (x, true);
    if (r != 0)
      return r;
    r = flush_once (x);
    if (r == 0)
      empty_log (x);
    if (r != 0 && r != ENOTCONN)
      x->failed = r; /* the server may have dropped what it could not keep */
    if (r != ENOTCONN)
      return r;
    r = reconnect (x);
  } while (r == 0);
  return r;
}

/* What is no want of space ends the object, so that no later flush says 0 (T3). */
static int
leave (struct nbd_export *x, int errnum)
{
  if (errnum != 0 && errnum != ENOSPC && errnum != EDQUOT && errnum != ECANCELED)
    x->failed = errnum;
  pthread_mutex_unlock (&x->lock);
  return errnum;
}

int
export_flush (struct nbd_export *x)
{
  int r;

  pthread_mutex_lock (&x->lock);
  r = x->failed != 0 ? x->failed : flush (x);
  return leave (x, r);
}

/* ---- Write, zero, read ------------------------------------------------------------------- */

/* At the end of the log; DATA NULL: zeros. */
static int
append (struct nbd_export *x, uint64_t at, const uint8_t *data, uint64_t len)
{
  struct entry *e;

  if (x->log.n == LOG_ENTRIES || (data != NULL && LOG_BYTES - x->log.used < len)) {
    int r = flush (x);

    if (r != 0)
      return r;
  }
  e = &x->log.entry[x->log.n++];
  *e = (struct entry){ .at = at, .len = len, .state = ENTRY_PENDING };
  if (data != NULL) {
    e->data = memcpy (x->log.bytes + x->log.used, data, (size_t)len);
    x->log.used += (size_t)len;
  }
  return settle (x, false);
}

int
export_write (struct nbd_export *x, uint64_t at, const void *buf, size_t len)
{
  const uint8_t *p = buf;
  int r;

  pthread_mutex_lock (&x->lock);
  for (r = x->failed; r == 0 && len > 0;) {
    size_t n = (size_t)min_u64 (len, x->piece);

    r = append (x, at, p, n);
    at += n;
    p += n;
    len -= n;
  }
  return leave (x, r);
}

static int
write_zeros (struct nbd_export *x, uint64_t at, uint64_t len)
{
  static const uint8_t zeros[65536];
  int r = 0;

  for (; r == 0 && len > 0;) {
    uint64_t n = min_u64 (len, min_u64 (x->piece, sizeof zeros));

    r = append (x, at, zeros, n);
    at += n;
    len -= n;
  }
  return r;
}

int
export_zero (struct nbd_export *x, uint64_t at, uint64_t len)
{
  int r;

  pthread_mutex_lock (&x->lock);
  r = x->failed;
  if (r == 0 && !x->zeroes) {
    r = write_zeros (x, at, len);
    len = 0;
  }
  while (r == 0 && len > 0) {
    uint64_t n = min_u64 (len, ZERO_MAX);

    r = append (x, at, NULL, n);
    at += n;
    len -= n;
  }
  return leave (x, r);
}

/* What was written first. */
static int
read_piece (struct nbd_export *x, uint64_t at, void *buf, size_t len)
{
  int r;

  do {
    r = settle (x, true);
    if (r == 0)
      r = await (x, nbd_aio_pread (x->h, buf, len, at, NBD_NULL_COMPLETION, 0), false);
    if (r == 0 && x->log.n == 0)
      x->lost_at = 0;
    if (r == ECANCELED) /* the answer may still come, and BUF is the caller's */
      nbd_disconnect (x);
    if (r != ENOTCONN)
      return r;
    r = reconnect (x);
  } while (r == 0);
  return r;
}

int
export_read (struct nbd_export *x, uint64_t at, void *buf, size_t len)
{
  uint8_t *p = buf;
  int r;

  pthread_mutex_lock (&x->lock);
  for (r = 0; r == 0 && len > 0;) {
    size_t n = (size_t)min_u64 (len, x->piece);

    r = read_piece (x, at, p, n);
    at += n;
    p += n;
    len -= n;
  }
  if (r == EIO) { /* of a read: no verdict on what was written */
    pthread_mutex_unlock (&x->lock);
    return r;
  }
  return leave (x, r);
}
