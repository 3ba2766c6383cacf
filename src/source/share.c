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

  if (n > 1 && p->window == 0)
    n += p->borne;
  return n > META_MAX && n > s->options.connections ? META_MAX : n;
}

/* What vets a mirror goes first, or it would wait for all of the data. */
static bool
vet_waits (const struct place *p, int64_t now)
{
  return p->vet != NULL && p->vet->state == JOB_WAITING && p->vet->due_ms <= now;
}

bool
share_has_room (const struct source *s, const struct place *p, const struct job *job,
                int64_t now)
{
  if (p->running > 0 && doubt_scouts (s))
    return false;
  if (p->limited && p->window > 0 && p->running >= (unsigned)p->window)
    return false;
  if (p->limited && p->per_s > 0 && p->next_ms > now)
    return false;
  if (is_small (job))
    return p->http2 || p->running < most_at_once (s, p);
  return job->kind != JOB_DATA || !vet_waits (p, now)
         || p->running + 1 < s->options.connections;
}

void
share_moved (struct place *p)
{
  p->limited = p->refused_at != NULL && strcmp (p->refused_at, p->pinned) == 0;
}

void
share_asked (struct place *p, int64_t now)
{
  if (p->per_s > 0)
    p->next_ms = now + (int64_t)(1000 / p->per_s);
}

/* Answers counted, of old ones less. */
static double
served (const struct place *p, int64_t now)
{
  double ms = (double)(now - p->served_ms);

  return p->served * SERVED_MS / (SERVED_MS + ms);
}

void
share_served (struct source *s, struct place *p, int64_t now)
{
  p->served = served (p, now) + 1;
  p->served_ms = now;
  if (p->borne < META_MAX)
    p->borne++;
  if (p->window > 0)
    p->window += one_more;
  if (p->window > s->options.connections + META_MAX)
    p->window = 0;
  if (p->per_s > 0)
    p->per_s *= p->limit_found ? more : much_more;
  if (p->per_s > FREELY_PER_S)
    p->per_s = 0;
}

/* Those that are being answered. */
static unsigned
being_served (const struct source *s, const struct place *p)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < s->n_jobs; i++) {
    const struct job *job = &s->jobs[i];

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

  if (a->started_ms < p->refused_ms)
    return;
  p->refused_ms = now;
  p->borne = 0;
  if (!p->limited) {
    free (p->refused_at);
    p->refused_at = strdup (p->pinned);
    p->limited = true;
    p->per_s = 0;
  }
  p->window = n == 0 ? 1 : n;
  p->limit_found = p->per_s > 0;
  least = p->limit_found ? least_per_s : first_per_s;
  p->per_s = p->limit_found ? p->per_s * less : served (p, now) * 1000 / SERVED_MS;
  if (p->per_s < least)
    p->per_s = least;
  p->next_ms = now + (int64_t)(1000 / p->per_s);
}

int64_t
share_wait_ms (const struct source *s, int64_t now)
{
  int64_t wait = POLL_MS;
  size_t i;

  for (i = 0; i < s->n_places; i++) {
    const struct place *p = &s->places[i];

    if (!p->dead && p->limited && p->per_s > 0 && p->next_ms > now && p->next_ms - now < wait)
      wait = p->next_ms - now;
  }
  return wait;
}
