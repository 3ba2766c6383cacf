/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * doubt: what becomes of an answer that failed its checks (J4, J5).  One wrong answer is not a
 * wrong server: it is asked for again, on a new connection and elsewhere first; the fifth in a
 * row is the end.  Nothing of such an answer is used.
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DOUBTS_MAX = 5, TAGS_MAX = 3, LATE_MS = 10 * 1000, LATE_TIMES = 20 };

/* Whether JOB may be asked for again.  Answers that were under way together count once for
 * their place. */
static bool
may_be_asked_again (struct job *job, int64_t now)
{
  struct answer *a = &job->answer;
  struct place *p = a->place;

  job->wrong++;
  if (a->pace.started_ms >= p->health.wrong_ms) {
    p->health.wrong++;
    p->health.wrong_ms = now;
  }
  return job->wrong < DOUBTS_MAX && p->health.wrong < DOUBTS_MAX;
}

/* Where a redirect led twice in a row to what is wrong, the original URL may lead elsewhere. */
static int
ask_again (struct job *job, int64_t now, struct error *err)
{
  struct source *s = job->s;
  struct place *p = job->answer.place;
  int64_t wait = 0;

  p->total.failures++;
  s->seen.retries++;
  source_tell (s, "retry", "%s at host offset %" PRIu64 ": %s; asking again", job_shown (job),
               job_where (job), job->answer.j.why);
  if (job->wrong > 1 && !place_ready (s, job, p, now))
    wait = retry_backoff_ms (job->wrong - 2, source_random (s));
  job->avoid = p;
  job_again (job, now + wait);
  if (p->way.hops == 0 || p->health.wrong < 2
      || job->answer.sent.generation != p->way.generation)
    return 0;
  p->way.resolved++;
  return place_go_back (p, err);
}

/* Ranges that are broken before anything was begun are not asked for any more. */
static bool
goes_forward (struct job *job)
{
  struct source *s = job->s;
  struct place *p = job->answer.place;

  if (job->kind != JOB_PROBE || s->waits.recorded || s->ranges.none || s->places.n > 1)
    return false;
  s->ranges.none = true;
  p->image.known = false;
  job->done = job->tail_len = 0;
  job->wrong = p->health.wrong = DOUBTS_MAX - 1; /* one answer more */
  source_tell (s, "warning",
               "%s: its answers to ranges are broken (%s); it is read from its start, as with "
               "--stream",
               p->url.shown, job->answer.j.why);
  job_again (job, monotonic_ms ());
  return true;
}

int
doubt_wrong (struct job *job, struct error *err)
{
  int64_t now = monotonic_ms ();

  if (may_be_asked_again (job, now))
    return ask_again (job, now, err);
  if (goes_forward (job))
    return 0;
  job->s->ranges.failed = job->kind != JOB_STREAM && job->kind != JOB_PROBE;
  fail (err, ERR_SOURCE_CONTRADICTS,
        "%s at host offset %" PRIu64
        ": %s, %u times in a row; nothing of it was used; try another server or --stream",
        job_shown (job), job_where (job), job->answer.j.why, DOUBTS_MAX);
  return place_failed (job, err);
}

/* Its bytes are delivered, but for those of a probe: they are to be asked for again. */
int
doubt_overlong (struct job *job, struct error *err)
{
  int64_t now = monotonic_ms ();
  bool again = may_be_asked_again (job, now);

  snprintf (job->answer.j.why, sizeof job->answer.j.why,
            "more bytes came than the answer said");
  if (job->kind == JOB_PROBE) {
    job->s->ranges.told = job->answer.j.total;
    job->done = job->tail_len = 0;
  } else if ((again || job->kind == JOB_STREAM) && job->done == job->range.len) {
    job_finish (job);
    return 0;
  }
  if (again)
    return ask_again (job, now, err);
  if (goes_forward (job))
    return 0;
  job->s->ranges.failed = job->kind != JOB_STREAM && job->kind != JOB_PROBE;
  fail (err, ERR_SOURCE_CONTRADICTS,
        "%s at host offset %" PRIu64
        ": %s, %u times in a row; the server or a proxy before it is not to be trusted with "
        "ranges; try another server or --stream",
        job_shown (job), job_where (job), job->answer.j.why, DOUBTS_MAX);
  return place_failed (job, err);
}

bool
doubt_rangeless (struct job *job, struct error *err, int *result)
{
  struct source *s = job->s;

  if (s->ranges.work || !s->options.may_turn || s->places.n > 1
      || ++s->ranges.rangeless < DOUBTS_MAX)
    return false;
  s->ranges.failed = true;
  *result = fail (err, ERR_SOURCE_CONTRADICTS,
                  "%s at host offset %" PRIu64
                  ": the server sends the whole image instead of the range, %u times in a row; "
                  "try --stream",
                  job_shown (job), job_where (job), DOUBTS_MAX);
  return true;
}

bool
doubt_scouts (const struct source *s)
{
  return s->options.may_turn && s->probed && !s->ranges.work && s->places.n == 1
         && !s->stream.begun;
}

/* The first bytes of the image came soon, and of another range there is none yet. */
bool
doubt_is_late (const struct job *job, int64_t now)
{
  const struct source *s = job->s;
  int64_t late_ms
      = (int64_t)max_u64 (LATE_MS, (uint64_t)s->seen.round_trip_us / 1000 * LATE_TIMES);

  return doubt_scouts (s) && !job->answer.judged && job->kind != JOB_PROBE
         && now - job->answer.pace.started_ms >= late_ms;
}

int
doubt_late (struct job *job, struct error *err)
{
  struct source *s = job->s;

  transfer_stop (job);
  s->ranges.failed = true;
  return fail (
      err, ERR_SOURCE_CONTRADICTS,
      "%s at host offset %" PRIu64
      ": not one byte of this range after %lld s, where the first bytes came at once: a "
      "cache before the server seems to fetch all of the image first; try --stream",
      job_shown (job), job_where (job),
      (long long)(monotonic_ms () - job->answer.pace.started_ms) / 1000);
}

/* A tag that is another at each answer tells nothing, and may not stand in the way for ever: it
 * is not looked at any more, and the image is known by what else there is. */
static bool
tag_is_void (struct job *job)
{
  struct answer *a = &job->answer;
  struct place *p = a->place;

  if (!a->j.only_tag)
    return false;
  if (p->image.no_tag)
    return true;
  if (strcmp (p->image.last_tag, a->j.etag) != 0)
    p->image.tags++;
  snprintf (p->image.last_tag, sizeof p->image.last_tag, "%s", a->j.etag);
  if (p->image.tags < TAGS_MAX)
    return false;
  p->image.no_tag = true;
  p->image.id.etag[0] = '\0';
  p->image.id.trust
      = p->image.id.last_modified[0] != '\0' ? SOURCE_TRUST_WEAK : SOURCE_TRUST_LENGTH;
  source_tell (job->s, "warning",
               "%s: its ETag is another at each answer; the image is known by its length, its "
               "tables and samples only",
               p->url.shown);
  return true;
}

int
doubt_changed (struct job *job, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  int64_t now = monotonic_ms ();

  if (tag_is_void (job)) {
    job_again (job, now);
    return 0;
  }
  if (may_be_asked_again (job, now))
    return ask_again (job, now, err);
  fail (err, ERR_SOURCE_CHANGED,
        "%s at host offset %" PRIu64
        ": the image changed since the import began: %s; `qimport resume --restart` begins "
        "anew, --accept-new-validator goes on if the bytes prove to be the same",
        job_shown (job), job_where (job), a->j.why);
  if (place_vetted_other (s, a->place)
      || (s->places.reference != NULL && a->place != s->places.reference))
    return place_failed (job, err);
  source_tell (s, "source_changed", "%s: %s", job_shown (job), a->j.why);
  return -1;
}
