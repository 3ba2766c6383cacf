/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pace: how fast answers come.  Finds those that stall, and places that are far slower than
 * another one, which are left alone for a while.  Measures and judges; whom to ask instead is
 * endpoint.c's.
 */
#include "source/engine.h"

#include "base/text.h"

enum {
  SLOW_PER_S = 1024,      /* --stall-time: less than this in a second is slow */
  WINDOW_MS = 1000,       /* what is measured at a time */
  MEMORY_MS = 2000,       /* how long a measurement counts for, about */
  EVIDENCE_MS = 100,      /* a place is judged by no less */
  SAMPLE_LEAST = 16384,   /* smaller answers tell of round trips, not of speed */
  OUTPACED = 4,           /* so many times slower is far slower */
  DEMOTED_MS = 60 * 1000, /* for how long at first; doubled each time */
  DOUBLED_MOST = 6
};

static bool
is_data (const struct job *job)
{
  return job->kind == JOB_DATA || job->kind == JOB_STREAM;
}

static struct speed *
speed_of (struct place *p, const struct job *job)
{
  return &p->pace.speed[is_data (job)];
}

/* Bytes a millisecond; 0 where too little is known. */
static double
speed_value (const struct speed *speed)
{
  return speed->ms < EVIDENCE_MS ? 0 : speed->bytes / speed->ms;
}

bool
place_is_slow (const struct place *p, int64_t now)
{
  return p->pace.slow_until_ms > now;
}

/* BYTES came in MS.  What came before counts less and less. */
static void
note_speed (struct job *job, uint64_t bytes, int64_t ms)
{
  struct speed *speed = speed_of (job->answer.place, job);
  double taken = (double)(ms < 1 ? 1 : ms), kept = MEMORY_MS / (MEMORY_MS + taken);

  speed->bytes = speed->bytes * kept + (double)bytes;
  speed->ms = speed->ms * kept + taken;
}

/* The best speed of the places that JOB may as well be asked of, P left out; 0: not known. */
static double
best_speed (struct source *s, const struct job *job, const struct place *p, int64_t now)
{
  double best = 0;
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    struct place *other = &s->places.place[i];

    if (other != p && !other->dead && other->vetted && other->health.fails == 0
        && other->health.not_before_ms <= now && !place_is_slow (other, now)
        && speed_value (speed_of (other, job)) > best)
      best = speed_value (speed_of (other, job));
  }
  return best;
}

/* Nothing more is asked of the place of JOB for a while. */
static void
demote (struct job *job, double best, int64_t now)
{
  struct place *p = job->answer.place;
  char is[24], other[24];

  p->pace.slow_until_ms = now + ((int64_t)DEMOTED_MS << p->pace.slow_times);
  if (p->pace.slow_times < DOUBLED_MOST)
    p->pace.slow_times++;
  source_tell (job->s, "mirror", "%s: slow: %s/s, where another gives %s/s; left alone for now",
               p->url.shown,
               format_size (is, (uint64_t)(speed_value (speed_of (p, job)) * 1000)),
               format_size (other, (uint64_t)(best * 1000)));
}

/* Leave the place of JOB alone if it is far slower than another.  Returns the speed of the best
 * other one; 0: not known. */
static double
judge_place (struct job *job, int64_t now)
{
  struct place *p = job->answer.place;
  const struct speed *own = speed_of (p, job);
  double best;

  if (job->s->places.n < 2 || job->bound != NULL || own->ms < EVIDENCE_MS)
    return 0;
  best = best_speed (job->s, job, p, now);
  if (speed_value (own) * OUTPACED >= best)
    p->pace.slow_times = 0;
  else if (!place_is_slow (p, now))
    demote (job, best, now);
  return best;
}

/* Slow is less than SLOW_PER_S in a second, or than half of what --limit-rate leaves to each.
 */
static uint64_t
least_per_s (const struct source *s)
{
  if (s->rate.per_s == 0)
    return SLOW_PER_S;
  return min_u64 (SLOW_PER_S, s->rate.per_s / 2 / (s->options.connections + META_MAX) + 1);
}

enum pace
pace_watch (struct job *job, int64_t now)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  int64_t ms = now - a->pace.window_at_ms;
  uint64_t bytes = a->pace.window_bytes;
  curl_off_t sent_us = 0;

  if (a->paused) { /* by us: what it would give cannot be told */
    a->pace.slow_since_ms = a->pace.window_at_ms = now;
    a->pace.window_bytes = 0;
    a->pace.windows = 0;
    return PACE_FINE;
  }
  if (ms < WINDOW_MS)
    return PACE_FINE;
  a->pace.window_at_ms = now;
  a->pace.window_bytes = 0;
  a->pace.rate = (double)bytes / (double)ms;
  /* connecting has a time limit of its own */
  curl_easy_getinfo (job->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
  if (sent_us == 0 || bytes * 1000 >= least_per_s (s) * (uint64_t)ms)
    a->pace.slow_since_ms = now;
  if (s->options.stall_time_s != 0
      && now - a->pace.slow_since_ms >= (int64_t)s->options.stall_time_s * 1000)
    return PACE_STALLED;
  if (sent_us == 0)
    return PACE_FINE;
  note_speed (job, bytes, ms);
  /* not by the first one, in which a far place has only begun */
  if (a->pace.windows++ == 0)
    return PACE_FINE;
  return a->pace.rate * OUTPACED < judge_place (job, now) ? PACE_OUTPACED : PACE_FINE;
}

void
pace_ended (struct job *job)
{
  struct answer *a = &job->answer;
  int64_t now = monotonic_ms ();

  if (!a->accepted || a->bytes.received < SAMPLE_LEAST)
    return;
  note_speed (job, a->pace.window_bytes, now - a->pace.window_at_ms);
  if (now - a->pace.started_ms >= WINDOW_MS)
    judge_place (job, now);
}
