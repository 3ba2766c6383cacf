/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_pump: the thread that moves what is in the log to the server (nbd_export.h): sends, takes
 * answers, and opens connections anew when they are lost.  Knows no FLUSH and no read.
 */
#include "target/nbd_export.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* A server that answers nothing for so long is away, whatever TCP says. */
enum { STALL_MS = 60000, GROW_BYTES = 1 << 20 };

int64_t
nbd_idle_ms (const struct nbd_export *x)
{
  return x->log.n_flying + x->link.asked == 0 ? 0 : monotonic_ms () - x->link.heard;
}

/* ---- Sending ----------------------------------------------------------------------------- */

/* Which of those in flight were answered; the first error among them. */
static int
collect (struct nbd_export *x)
{
  unsigned i, kept = 0;
  int errnum = 0;

  for (i = 0; i < x->log.n_flying; i++) {
    struct flight f = x->log.flying[i];
    struct bank *b = &x->log.bank[f.bank];
    struct entry *e = &b->entry[f.pos];
    int r = nbd_aio_command_completed (x->link.h[e->conn], (uint64_t)e->cookie);

    if (r == 0) {
      x->log.flying[kept++] = f;
      continue;
    }
    assert (e->state == ENTRY_FLYING && b->undone > 0);
    e->state = r == 1 ? ENTRY_DONE : ENTRY_PENDING;
    x->link.flying_on[e->conn]--;
    b->undone -= r == 1;
    if (r == 1)
      continue;
    errnum = errnum != 0 ? errnum : nbd_error_now (x);
    b->next = b->next < f.pos ? b->next : f.pos;
  }
  if (kept < x->log.n_flying)
    pthread_cond_broadcast (&x->changed);
  x->log.n_flying = kept;
  return errnum;
}

static bool
overlaps_flying (const struct nbd_export *x, const struct entry *e)
{
  unsigned i;

  for (i = 0; i < x->log.n_flying; i++) {
    const struct entry *f = &x->log.bank[x->log.flying[i].bank].entry[x->log.flying[i].pos];

    if (f->at < e->at + e->len && e->at < f->at + f->len)
      return true;
  }
  return false;
}

/* The first of bank K that was not sent; NULL: all were. */
static struct entry *
next_pending (struct bank *b)
{
  while (b->next < b->n && b->entry[b->next].state != ENTRY_PENDING)
    b->next++;
  return b->next < b->n ? &b->entry[b->next] : NULL;
}

static unsigned
least_busy (const struct nbd_export *x)
{
  unsigned i, least = 0;

  for (i = 1; i < x->link.n_h; i++)
    if (x->link.flying_on[i] < x->link.flying_on[least])
      least = i;
  return least;
}

static int
send_entry (struct nbd_export *x, unsigned bank, struct entry *e, unsigned conn)
{
  if (e->data != NULL)
    e->cookie = nbd_aio_pwrite (x->link.h[conn], e->data, (size_t)e->len, e->at,
                                NBD_NULL_COMPLETION, 0);
  else /* may be a hole: nothing asks for the space */
    e->cookie = nbd_aio_zero (x->link.h[conn], e->len, e->at, NBD_NULL_COMPLETION, 0);
  if (e->cookie == -1)
    return nbd_error_now (x);
  if (x->log.n_flying + x->link.asked == 0)
    x->link.heard = monotonic_ms ();
  e->state = ENTRY_FLYING;
  e->conn = conn;
  x->link.flying_on[conn]++;
  x->log.flying[x->log.n_flying++] = (struct flight){ bank, x->log.bank[bank].next };
  return 0;
}

/* What may be sent now, in its order: first of the bank that is flushed. */
static int
push (struct nbd_export *x)
{
  unsigned k, bank;
  int r = nbd_is_lost (x) || x->link.broken ? ENOTCONN : collect (x);

  for (k = 0; k < 2 && r == 0; k++) {
    struct entry *e;

    bank = k == 0 ? 1 - x->log.active : x->log.active;
    while (r == 0 && (e = next_pending (&x->log.bank[bank])) != NULL) {
      unsigned conn = least_busy (x);

      if (x->link.flying_on[conn] == IN_FLIGHT || overlaps_flying (x, e))
        return 0;
      r = send_entry (x, bank, e, conn);
    }
  }
  return r;
}

/* ---- Connections ------------------------------------------------------------------------- */

/* Does BANK have something that would begin the export with SECTOR? */
static bool
may_begin_with (const struct bank *b, const uint8_t sector[SECTOR])
{
  static const uint8_t zeros[SECTOR];
  unsigned i;

  for (i = 0; i < b->n; i++) {
    const struct entry *e = &b->entry[i];

    if (e->at == 0 && e->len >= SECTOR
        && memcmp (sector, e->data != NULL ? e->data : zeros, SECTOR) == 0)
      return true;
  }
  return false;
}

/* Is it what it was, and does it still begin as with the last flush, or as something written
 * since? */
static int
check_again (struct nbd_export *x, const struct nbd_facts *was)
{
  uint8_t sector[SECTOR] = { 0 };

  if (x->facts.size != was->size || x->facts.block_min > was->block_min
      || x->facts.read_only != was->read_only || x->facts.flushes != was->flushes) {
    snprintf (x->why, sizeof x->why, "it is of another size or kind now");
    return ESTALE;
  }
  if (x->facts.size >= SECTOR && nbd_pread (x->link.h[0], sector, SECTOR, 0, 0) == -1)
    return nbd_error_now (x);
  if (memcmp (sector, x->first, SECTOR) == 0 || may_begin_with (&x->log.bank[0], sector)
      || may_begin_with (&x->log.bank[1], sector))
    return 0;
  snprintf (x->why, sizeof x->why, "it does not begin any more as it was left");
  return ESTALE;
}

/* Everything that was not flushed is pending again. */
static void
forget_answers (struct nbd_export *x)
{
  unsigned k, i;

  for (k = 0; k < 2; k++) {
    struct bank *b = &x->log.bank[k];

    for (i = 0; i < b->n; i++)
      b->entry[i].state = ENTRY_PENDING;
    b->undone = b->n;
    b->next = 0;
  }
  x->log.n_flying = 0;
  memset (x->link.flying_on, 0, sizeof x->link.flying_on);
}

static int
reconnect (struct nbd_export *x)
{
  struct nbd_facts was = x->facts;
  int r;

  if (x->link.lost_at == 0)
    x->link.lost_at = monotonic_ms ();
  do {
    nbd_disconnect (x);
    forget_answers (x);
    r = nbd_connect_until (x, x->link.lost_at, x->retry_time_ms);
    if (r == 0)
      r = check_again (x, &was);
    x->facts = was;
  } while (r == ENOTCONN && !nbd_stopped (x)
           && monotonic_ms () - x->link.lost_at < x->retry_time_ms);
  x->link.broken = r != 0;
  return r;
}

/* ---- The thread -------------------------------------------------------------------------- */

static short
events_of (struct nbd_handle *h)
{
  unsigned direction = nbd_aio_get_direction (h);

  return (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0)
                 | (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

/* What the state machine of H waits for may have changed since. */
static int
notify (struct nbd_export *x, struct nbd_handle *h, short events)
{
  short wanted = events_of (h);
  int r = 0;

  if ((wanted & POLLIN) != 0 && (events & (POLLIN | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_read (h);
  else if ((wanted & POLLOUT) != 0 && (events & (POLLOUT | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_write (h);
  x->link.heard = monotonic_ms ();
  return r == -1 ? nbd_error_now (x) : 0;
}

/* Until a connection or somebody here has something for it; the lock is off meanwhile. */
static int
wait_for_work (struct nbd_export *x)
{
  struct pollfd fds[CONNECTIONS + 1] = { { .fd = x->wake_fd, .events = POLLIN } };
  unsigned i, n = x->error == 0 && x->failed == 0 ? x->link.n_h : 0,
              generation = x->link.generation;
  uint64_t wakes;
  int r = 0;

  for (i = 0; i < n; i++)
    fds[i + 1] = (struct pollfd){ .fd = nbd_aio_get_fd (x->link.h[i]),
                                  .events = events_of (x->link.h[i]) };
  pthread_mutex_unlock (&x->lock);
  if (poll (fds, n + 1, POLL_MS) > 0 && fds[0].revents != 0
      && read (x->wake_fd, &wakes, sizeof wakes) == -1)
    assert (errno == EAGAIN || errno == EINTR);
  pthread_mutex_lock (&x->lock);
  for (i = 0; i < n && r == 0 && generation == x->link.generation; i++)
    if (fds[i + 1].revents != 0)
      r = notify (x, x->link.h[i], fds[i + 1].revents);
  return r;
}

static int
check_idle (struct nbd_export *x)
{
  if (nbd_idle_ms (x) <= (x->retry_time_ms > STALL_MS ? x->retry_time_ms : STALL_MS))
    return 0;
  snprintf (x->why, sizeof x->why, "it does not answer any more");
  return ENOTCONN;
}

/* For a few sectors one is enough. */
static void
grow (struct nbd_export *x)
{
  if (x->link.grown || !x->link.shares || x->log.bank[x->log.active].used < GROW_BYTES)
    return;
  nbd_connect_more (x);
  x->link.grown = true;
}

/* Answers are for others to look at, too. */
static void
turn (struct nbd_export *x, int r)
{
  if (r == 0)
    r = check_idle (x);
  if (r == 0)
    r = push (x);
  if (r == ENOTCONN)
    r = reconnect (x);
  else if (r == 0)
    grow (x);
  if (r == ENOSPC || r == EDQUOT || r == ECANCELED)
    x->error = r;
  else
    x->failed = r; /* T3 */
  if (r != 0 || x->link.asked > 0)
    pthread_cond_broadcast (&x->changed);
}

static void *
pump_main (void *export)
{
  struct nbd_export *x = export;
  int r = 0;

  pthread_mutex_lock (&x->lock);
  while (!x->quit) {
    if (x->error == 0 && x->failed == 0)
      turn (x, r);
    r = wait_for_work (x);
  }
  pthread_mutex_unlock (&x->lock);
  return NULL;
}

void
nbd_pump_wake (struct nbd_export *x)
{
  uint64_t one = 1;

  if (write (x->wake_fd, &one, sizeof one) == -1)
    assert (errno == EAGAIN); /* it is awake */
}

int
nbd_pump_start (struct nbd_export *x)
{
  x->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (x->wake_fd == -1 || pthread_create (&x->pump, NULL, pump_main, x) != 0)
    return -1;
  x->pumps = true;
  return 0;
}

void
nbd_pump_stop (struct nbd_export *x)
{
  if (x->pumps) {
    pthread_mutex_lock (&x->lock);
    x->quit = true;
    nbd_pump_wake (x);
    pthread_mutex_unlock (&x->lock);
    pthread_join (x->pump, NULL);
  }
  if (x->wake_fd >= 0)
    close (x->wake_fd);
  x->wake_fd = -1;
  x->pumps = false;
}
