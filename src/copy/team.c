/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * team: see team.h.
 */
#include "copy/team.h"

#include "base/clock.h"

void
team_init (struct team *t, void (*wake) (void *ctx), void *ctx)
{
  pthread_condattr_t attr;

  mutex_init (&t->lock);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&t->work, &attr);
  pthread_cond_init (&t->done, &attr);
  pthread_cond_init (&t->tick, &attr);
  pthread_condattr_destroy (&attr);
  t->wake = wake;
  t->wake_ctx = ctx;
}

void
team_release (struct team *t)
{
  pthread_cond_destroy (&t->work);
  pthread_cond_destroy (&t->done);
  pthread_cond_destroy (&t->tick);
  mutex_release (&t->lock);
}

void
team_fail (struct team *t, const struct error *err)
{
  assert (team_held (t) && err->code != ERR_NONE);
  if (!t->failed)
    t->error = *err;
  t->failed = true;
  pthread_cond_broadcast (&t->tick);
  team_tell_done (t);
}

void
team_quit (struct team *t)
{
  assert (team_held (t));
  t->quit = true;
  pthread_cond_broadcast (&t->work);
  pthread_cond_broadcast (&t->done);
  pthread_cond_broadcast (&t->tick);
}

bool
team_ends (struct team *t)
{
  assert (team_held (t));
  return t->quit || t->failed;
}

int
team_result (struct team *t, struct error *err)
{
  assert (team_held (t));
  if (t->failed)
    *err = t->error;
  return t->failed ? -1 : 0;
}

void
team_tell_done (struct team *t)
{
  assert (team_held (t));
  pthread_cond_broadcast (&t->done);
  t->wake (t->wake_ctx);
}

void
team_wait_done (struct team *t, int64_t ms)
{
  mutex_wait_until (&t->lock, &t->done, monotonic_ms () + ms);
}
