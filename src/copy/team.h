/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * team: the threads of a copy: their one lock, what they wait for, and how they end.  Knows
 * nothing of what they do.
 *
 * What a struct says is guarded is guarded by this lock; who needs it held asserts team_held.
 */
#ifndef QIMPORT_COPY_TEAM_H
#define QIMPORT_COPY_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mutex.h"

struct team {
  struct mutex lock;
  /* Whoever waits for one of these goes on when quit or failed is set: team_fail and team_quit
   * wake all of them.  A stop comes from a signal handler and wakes nobody: who waits on the
   * caller's thread looks at it ten times a second, and a drain passes it on to the others. */
  pthread_cond_t work; /* something for a worker, or quit */
  pthread_cond_t done; /* a worker, the committer or the zeroer finished something */
  pthread_cond_t tick; /* the committer should look */
  void (*wake) (void *ctx);
  void *wake_ctx;
  atomic_bool hurry; /* what is not written yet is left for the resume */

  /* Guarded. */
  bool quit, failed;
  struct error error; /* the first one */
};

/* WAKE, from any thread: something happened for which the network's thread may wait. */
void team_init (struct team *t, void (*wake) (void *ctx), void *ctx);
void team_release (struct team *t);

static inline bool
team_held (struct team *t)
{
  return mutex_held (&t->lock);
}

/* ---- With the lock held -------------------------------------------------------------------
 */

/* The first failure is the copy's. */
void team_fail (struct team *t, const struct error *err);
/* Everybody ends. */
void team_quit (struct team *t);
/* Quit or failed. */
bool team_ends (struct team *t);
/* -1 with the error, if it has failed. */
int team_result (struct team *t, struct error *err);
/* Something is finished: who waits for it looks, the network's thread too. */
void team_tell_done (struct team *t);
/* Until something is finished, at most MS. */
void team_wait_done (struct team *t, int64_t ms);

#endif
