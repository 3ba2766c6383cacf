/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_export: see nbd.h.  What is called from outside: puts into the log, waits for what the
 * pump does with it, and sends FLUSH and reads itself (nbd_export.h has the whole).
 */
#include "target/nbd_export.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { STOP_MS = 1000, ZERO_MAX = 32 << 20 };

/* ---- Calls and waiting ------------------------------------------------------------------- */

/* What ended no more than an earlier call is tried again. */
static int
enter (struct nbd_export *x)
{
  pthread_mutex_lock (&x->lock);
  if (x->failed == 0 && x->error != 0) {
    x->error = 0;
    nbd_pump_wake (x);
  }
  return x->failed;
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

/* Until something changed, or POLL_MS; or why nothing will.  PATIENT: also where the user wants
 * an end. */
static int
wait_change (struct nbd_export *x, bool patient)
{
  int64_t until = monotonic_ms () + POLL_MS;
  struct timespec t = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };

  if (x->failed == 0 && x->error == 0)
    pthread_cond_timedwait (&x->changed, &x->lock, &t);
  if (x->failed != 0 || x->error != 0)
    return x->failed != 0 ? x->failed : x->error;
  return !patient && nbd_stopped (x) && nbd_idle_ms (x) > STOP_MS ? ECANCELED : 0;
}

/* Until all of B was answered. */
static int
drain (struct nbd_export *x, const struct bank *b)
{
  int r = 0;

  nbd_pump_wake (x);
  while (r == 0 && b->undone > 0)
    r = wait_change (x, false);
  return r;
}

/* Ours was lost on the way; the pump opens the connections anew. */
static int
wait_renewed (struct nbd_export *x, unsigned generation)
{
  int r = 0;

  if (x->link.generation == generation) {
    x->link.broken = true;
    nbd_pump_wake (x);
  }
  while (r == 0 && x->link.generation == generation)
    r = wait_change (x, false);
  return r == 0 ? EAGAIN : r;
}

/* The answer to COOKIE on the first connection, PATIENT as above; EAGAIN: that is another one
 * by now.  A read whose answer is not waited for takes the connection with it: the answer may
 * still come, and the buffer is the caller's. */
static int
await (struct nbd_export *x, int64_t cookie, unsigned generation, bool patient)
{
  int r = 0, done = 0;

  if (cookie == -1)
    r = nbd_error_now (x);
  else if (x->log.n_flying + x->link.asked == 0)
    x->link.heard = monotonic_ms ();
  x->link.asked++;
  nbd_pump_wake (x);
  while (r == 0 && done == 0) {
    if (x->link.generation != generation)
      r = EAGAIN;
    else if ((done = nbd_aio_command_completed (x->link.h[0], (uint64_t)cookie)) == -1)
      r = nbd_error_now (x);
    else if (done == 0)
      r = wait_change (x, patient);
  }
  x->link.asked--;
  if (!patient && r != 0 && done == 0 && x->link.generation == generation)
    nbd_disconnect (x);
  return r == ENOTCONN && x->failed == 0 && x->error == 0 ? wait_renewed (x, generation) : r;
}

/* ---- Flush ------------------------------------------------------------------------------- */

/* What stands at 0 now, whatever becomes of the server. */
static void
empty (struct nbd_export *x, struct bank *b)
{
  unsigned i;

  for (i = 0; i < b->n; i++) {
    const struct entry *e = &b->entry[i];

#ifndef SEEDED_BUG_NBD_FLUSH_BEFORE_ANSWERS
    assert (e->state == ENTRY_DONE);
#endif
    if (e->at == 0 && e->len >= SECTOR && e->data != NULL)
      memcpy (x->first, e->data, SECTOR);
    else if (e->at == 0 && e->len >= SECTOR)
      memset (x->first, 0, SECTOR);
  }
#ifdef SEEDED_BUG_NBD_FLUSH_BEFORE_ANSWERS
  while (b->undone > 0 && wait_change (x, true) == 0)
    ;
#endif
  b->n = b->next = 0;
  b->used = 0;
  x->link.lost_at = 0;
}

/* J1: sent when all of the bank had been answered, on whichever connection, since the
 * connections are as they are. */
static int
flush_bank (struct nbd_export *x, struct bank *b)
{
  unsigned generation;
  int r;

  do {
#ifdef SEEDED_BUG_NBD_FLUSH_BEFORE_ANSWERS
    r = 0;
#else
    r = drain (x, b);
#endif
    generation = x->link.generation;
    if (r == 0 && x->link.n_h == 0) /* the pump is about to try again */
      r = wait_renewed (x, generation);
    else if (r == 0) {
      r = await (x, nbd_aio_flush (x->link.h[0], NBD_NULL_COMPLETION, 0), generation, true);
      if (r != 0 && r != EAGAIN && r != ECANCELED && x->error == 0)
        x->failed = r; /* the server may have dropped what it could not keep */
    }
  } while (r == EAGAIN);
  if (r == 0)
    empty (x, b);
  return r;
}

/* Both banks, the older one first; what is written meanwhile is not waited for. */
static int
flush (struct nbd_export *x)
{
  struct bank *old;
  int r = 0;

  while (r == 0 && x->log.flushing)
    r = wait_change (x, true);
  if (r != 0)
    return r;
  x->log.flushing = true;
  old = &x->log.bank[1 - x->log.active];
  if (old->n > 0) /* an earlier flush failed */
    r = flush_bank (x, old);
  if (r == 0) {
    x->log.active = 1 - x->log.active;
    pthread_cond_broadcast (&x->changed); /* there is room */
    r = flush_bank (x, &x->log.bank[1 - x->log.active]);
  }
  x->log.flushing = false;
  pthread_cond_broadcast (&x->changed);
  return r;
}

int
export_flush (struct nbd_export *x)
{
  int r = enter (x);

  return leave (x, r != 0 ? r : flush (x));
}

/* ---- Write, zero, read ------------------------------------------------------------------- */

static bool
has_room (const struct bank *b, uint64_t len)
{
  return b->n < BANK_ENTRIES && BANK_BYTES - b->used >= len;
}

/* At the end of the log; DATA NULL: zeros. */
static int
append (struct nbd_export *x, uint64_t at, const uint8_t *data, uint64_t len)
{
  struct bank *b;
  struct entry *e;
  int r = 0;

  while (r == 0 && !has_room (&x->log.bank[x->log.active], data != NULL ? len : 0))
    r = x->log.flushing ? wait_change (x, false) : flush (x);
  if (r != 0)
    return r;
  b = &x->log.bank[x->log.active];
  e = &b->entry[b->n++];
  *e = (struct entry){ .at = at, .len = len, .state = ENTRY_PENDING };
  if (data != NULL) {
    e->data = memcpy (b->bytes + b->used, data, (size_t)len);
    b->used += (size_t)len;
  }
  b->undone++;
  nbd_pump_wake (x);
  return 0;
}

int
export_write (struct nbd_export *x, uint64_t at, const void *buf, size_t len)
{
  const uint8_t *p = buf;
  int r;

  for (r = enter (x); r == 0 && len > 0;) {
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
  int r = enter (x);

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
  unsigned generation;
  int r;

  do {
    r = drain (x, &x->log.bank[0]);
    if (r == 0)
      r = drain (x, &x->log.bank[1]);
    generation = x->link.generation;
    if (r == 0 && x->link.n_h == 0)
      r = wait_renewed (x, generation);
    else if (r == 0)
      r = await (x, nbd_aio_pread (x->link.h[0], buf, len, at, NBD_NULL_COMPLETION, 0),
                 generation, false);
  } while (r == EAGAIN);
  if (r == 0 && x->log.bank[0].n + x->log.bank[1].n == 0)
    x->link.lost_at = 0;
  return r;
}

int
export_read (struct nbd_export *x, uint64_t at, void *buf, size_t len)
{
  uint8_t *p = buf;
  int r;

  pthread_mutex_lock (&x->lock);
  if (x->error != 0) {
    x->error = 0;
    nbd_pump_wake (x);
  }
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
