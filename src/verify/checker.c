/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checker: see checker.h.
 */
#include "verify/checker.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "journal/journal.h"

void
checker_init (struct checker *c)
{
  pthread_condattr_t monotonic;

  memset (c, 0, sizeof *c);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init (&c->lock, NULL);
  pthread_cond_init (&c->over, &monotonic);
  pthread_condattr_destroy (&monotonic);
  atomic_store (&c->passed, true);
}

void
checker_release (struct checker *c)
{
  pthread_cond_destroy (&c->over);
  pthread_mutex_destroy (&c->lock);
}

static void *
check (void *checker)
{
  struct checker *c = checker;

  c->result = journal_check (c->path, c->no, c->stop, &c->error);
  if (c->result == 0 && c->witness)
    c->result = journal_check_witness (c->path, c->no, c->stop, &c->error);
  pthread_mutex_lock (&c->lock);
  if (c->result == 0)
    atomic_store (&c->passed, true);
  atomic_store (&c->done, true);
  pthread_cond_broadcast (&c->over);
  pthread_mutex_unlock (&c->lock);
  if (c->result == -1 && c->on_failure != NULL)
    atomic_store (c->on_failure, true);
  return NULL;
}

int
checker_start (struct checker *c, const char *path, int64_t no, bool witness,
               const atomic_bool *stop, atomic_bool *on_failure, struct error *err)
{
  c->path = path;
  c->no = no;
  c->witness = witness;
  c->stop = stop;
  c->on_failure = on_failure;
  atomic_store (&c->done, false);
  atomic_store (&c->passed, false);
  if (pthread_create (&c->thread, NULL, check, c) != 0)
    return fail (err, ERR_NO_MEMORY, "cannot start a thread");
  c->runs = true;
  return 0;
}

bool
checker_wait (struct checker *c, int timeout_ms)
{
  int64_t until = monotonic_ms () + timeout_ms;
  struct timespec t = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
  bool over;

  pthread_mutex_lock (&c->lock);
  over = !c->runs || atomic_load (&c->done);
  if (!over) {
    pthread_cond_timedwait (&c->over, &c->lock, &t);
    over = atomic_load (&c->done);
  }
  pthread_mutex_unlock (&c->lock);
  return over;
}

int
checker_failed (struct checker *c, struct error *err)
{
  if (!atomic_load (&c->done) || c->result == 0)
    return 0;
  *err = c->error;
  return -1;
}

int
checker_join (struct checker *c, struct error *err)
{
  if (!c->runs)
    return 0;
  pthread_join (c->thread, NULL);
  c->runs = false;
  return checker_failed (c, err);
}
