/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * share: how many requests a place gets at a time, and how many a second.  Metadata keeps
 * within
 * --connections too, until the place has shown that it bears more.  One that refuses for being
 * asked too much (429, 503) is asked less at once, and then a little more with each answer.
 */
#include "source/engine.h"

#include <stdlib.h>
#include <string.h>

enum { SERVED_MS = 2000, FREELY_PER_S = 500 };

/* With these fewer than one request in ten is refused where a place has a limit: from 0.7 of it
 * back to it takes 18 answers. */
static const double less = 0.7, more = 1.02, much_more = 1.25, one_more = 0.05,
                    least_per_s = 1.0 / 30, first_per_s = 2;

static bool
is_small (const struct job *job)
{
  return job->kind == JOB_META || job->kind == JOB_VET;
}

static unsigned
most_at_once (const struct source *s, const struct place *p)
{
  unsigned n = s->options.connections;

  if (n > 1 && p->share.window == 0)
    n += p->share.borne;
  return n > META_MAX && n > s->options.connections ? META_MAX : n;
}

/* What vets a mirror goes first, or it would wait for all of the data. */
static bool
vet_waits (const struct place *p, int64_t now)
{
  return p->vet.job != NULL && p->vet.job->state == JOB_WAITING && p->vet.job->due_ms <= now;
}

bool
share_has_room (const struct source *s, const struct place *p, const struct job *job,
                int64_t now)
{
  if (p->running > 0 && doubt_scouts (s))
    return false;
  if (p->share.limited && p->share.window > 0 && p->running >= (unsigned)p->share.window)
    return false;
  if (p->share.limited && p->share.per_s > 0 && p->share.next_ms > now)
    return false;
  if (is_small (job))
    return p->share.http2 || p->running < most_at_once (s, p);
  return job->kind != JOB_DATA || !vet_waits (p, now)
         || p->running + 1 < s->options.connections;
}

void
share_moved (struct place *p)
{
  p->share.limited
      = p->share.refused_at != NULL && strcmp (p->share.refused_at, p->url.pinned) == 0;
}

void
share_asked (struct place *p, int64_t now)
{
  if (p->share.per_s > 0)
    p->share.next_ms = now + (int64_t)(1000 / p->share.per_s);
}

/* Answers counted, of old ones less. */
static double
served (const struct place *p, int64_t now)
{
  double ms = (double)(now - p->share.served_ms);

  return p->share.served * SERVED_MS / (SERVED_MS + ms);
}

void
share_served (struct source *s, struct place *p, int64_t now)
{
  p->share.served = served (p, now) + 1;
  p->share.served_ms = now;
  if (p->share.borne < META_MAX)
    p->share.borne++;
  if (p->share.window > 0)
    p->share.window += one_more;
  if (p->share.window > s->options.connections + META_MAX)
    p->share.window = 0;
  if (p->share.per_s > 0)
    p->share.per_s *= p->share.limit_found ? more : much_more;
  if (p->share.per_s > FREELY_PER_S)
    p->share.per_s = 0;
}

/* Those that are being answered. */
static unsigned
being_served (const struct source *s, const struct place *p)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    const struct job *job = &s->jobs.job[i];

    n += job->state == JOB_RUNNING && job->answer.place == p && job->answer.accepted;
  }
  return n;
}

/* What was refused together counts once. */
void
share_refused (struct source *s, const struct answer *a, int64_t now)
{
  struct place *p = a->place;
  unsigned n = being_served (s, p);
  double least;

  if (a->pace.started_ms < p->share.refused_ms)
    return;
  p->share.refused_ms = now;
  p->share.borne = 0;
  if (!p->share.limited) {
    free (p->share.refused_at);
    p->share.refused_at = strdup (p->url.pinned);
    p->share.limited = true;
    p->share.per_s = 0;
  }
  p->share.window = n == 0 ? 1 : n;
  p->share.limit_found = p->share.per_s > 0;
  least = p->share.limit_found ? least_per_s : first_per_s;
  p->share.per_s
      = p->share.limit_found ? p->share.per_s * less : served (p, now) * 1000 / SERVED_MS;
  if (p->share.per_s < least)
    p->share.per_s = least;
  p->share.next_ms = now + (int64_t)(1000 / p->share.per_s);
}

int64_t
share_wait_ms (const struct source *s, int64_t now)
{
  int64_t wait = POLL_MS;
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    const struct place *p = &s->places.place[i];

    if (!p->dead && p->share.limited && p->share.per_s > 0 && p->share.next_ms > now
        && p->share.next_ms - now < wait)
      wait = p->share.next_ms - now;
  }
  return wait;
}
