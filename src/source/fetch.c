/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fetch: the jobs, and the loop that moves them: start what is due, let libcurl work, see what
 * ended, watch for stalls.  Everything happens on the thread that calls.
 */
#include "source/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

void
source_tell (struct source *s, const char *kind, const char *fmt, ...)
{
  char text[1024];
  va_list ap;

  if (s->options.event == NULL)
    return;
  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  s->options.event (s->options.event_ctx, kind, text);
}

int
engine_stopped (const struct source *s, struct error *err)
{
  if (s->options.stop != NULL && atomic_load (s->options.stop))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  if (s->options.deadline_ms > 0 && monotonic_ms () >= s->options.deadline_ms)
    return fail (err, ERR_MAX_TIME, "the time that was given is over");
  return 0;
}

struct job *
job_new (struct source *s, enum job_kind kind, struct host_range range, source_sink sink,
         void *ctx)
{
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    struct job *job = &s->jobs.job[i];

    if (job->state != JOB_FREE)
      continue;
    *job = (struct job){ .s = s,
                         .state = JOB_WAITING,
                         .kind = kind,
                         .range = range,
                         .sink = sink,
                         .ctx = ctx,
                         .easy = job->easy,
                         .due_ms = monotonic_ms () };
    if (kind == JOB_DATA)
      s->jobs.busy_data++;
    return job;
  }
  return NULL;
}

void
job_finish (struct job *job)
{
  struct source *s = job->s;

  transfer_stop (job);
  if (job->kind == JOB_DATA)
    s->jobs.busy_data--;
  if (job->kind == JOB_VET)
    job->bound->vet.job = NULL;
  if (s->stream.job == job) {
    s->stream.job = NULL;
    s->stream.ended = true;
  }
  free (job->tail);
  job->tail = NULL;
  job->state = JOB_FREE;
}

void
job_again (struct job *job, int64_t due_ms)
{
  job->due_ms = due_ms;
}

/* *WAIT_MS becomes at most the time until the next job is due. */
static int
start_due (struct source *s, int *wait_ms, struct error *err)
{
  int64_t now = monotonic_ms ();
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    struct job *job = &s->jobs.job[i];
    struct place *place;

    if (job->state != JOB_WAITING)
      continue;
    if (job->due_ms > now) {
      *wait_ms = (int)min_u64 ((uint64_t)*wait_ms, (uint64_t)(job->due_ms - now));
      continue;
    }
    place = place_pick (s, job, now);
    if (place == NULL)
      *wait_ms = (int)min_u64 ((uint64_t)*wait_ms, (uint64_t)share_wait_ms (s, now));
    else if (transfer_start (job, place, err) == -1)
      return -1;
  }
  return 0;
}

static int
watch (struct source *s, struct error *err)
{
  int64_t now = monotonic_ms (), rate_ms = rate_wait_ms (&s->rate, now);
  enum pace pace;
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    /* a different one first each time, or the first would take all of the rate */
    struct job *job = &s->jobs.job[(s->jobs.first + i) % s->jobs.n];

    if (job->state != JOB_RUNNING)
      continue;
    if (doubt_is_late (job, now))
      return doubt_late (job, err);
    pace = pace_watch (job, now);
    if (pace == PACE_STALLED && outcome_stalled (job, err) == -1)
      return -1;
    if (pace == PACE_OUTPACED)
      outcome_outpaced (job);
    if (pace != PACE_FINE || !job->answer.paused)
      continue;
    if (rate_ms == 0 && (job->kind != JOB_STREAM || stream_room (s, CURL_MAX_WRITE_SIZE)))
      transfer_unpause (job);
  }
  s->jobs.first = (s->jobs.first + 1) % s->jobs.n;
  return 0;
}

/* 1 when a job ended, well or not. */
static int
reap (struct source *s, struct error *err)
{
  CURLMsg *msg;
  int left, ended = 0;

  while ((msg = curl_multi_info_read (s->net.multi, &left)) != NULL) {
    struct job *job = NULL;
    CURLcode code = msg->data.result;

    if (msg->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo (msg->easy_handle, CURLINFO_PRIVATE, (char **)&job);
    if (outcome_ended (job, code, err) == -1)
      return -1;
    ended = 1;
  }
  return ended;
}

/* Until what the rate limit holds back may go on, at most WAIT_MS. */
static int
paused_wait_ms (struct source *s, int wait_ms)
{
  int64_t rate_ms = rate_wait_ms (&s->rate, monotonic_ms ());
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    const struct job *job = &s->jobs.job[i];

    if (job->state == JOB_RUNNING && job->answer.paused
        && (job->kind != JOB_STREAM || stream_room (s, CURL_MAX_WRITE_SIZE)))
      return (int)min_u64 ((uint64_t)wait_ms, (uint64_t)rate_ms);
  }
  return wait_ms;
}

static int
engine_failed (struct source *s, struct error *err)
{
  *err = s->error;
  return -1;
}

int
engine_turn (struct source *s, int timeout_ms, struct error *err)
{
  int wait_ms = timeout_ms < POLL_MS ? timeout_ms : POLL_MS, running, ended;
  CURLMcode rc;

  if (engine_stopped (s, err) == -1)
    return -1;
  if (mirror_vet (s, err) == -1 || start_due (s, &wait_ms, err) == -1 || watch (s, err) == -1)
    return -1;
  rc = curl_multi_perform (s->net.multi, &running);
  if (rc != CURLM_OK)
    return rc == CURLM_OUT_OF_MEMORY ? fail_memory (err, "transfers")
                                     : fail (err, ERR_INTERNAL, "%s: libcurl: %s", s->shown,
                                             curl_multi_strerror (rc));
  ended = reap (s, err);
  if (ended != 0)
    return ended;
  if (s->failed)
    return engine_failed (s, err);
  wait_ms = paused_wait_ms (s, wait_ms);
  if (wait_ms > 0)
    curl_multi_poll (s->net.multi, NULL, 0, wait_ms, NULL);
  return 0;
}

int
source_get (struct source *s, struct host_range range, source_sink sink, void *ctx,
            struct error *err)
{
  if (!host_range_within (range, s->id.length) || range.len == 0 || !s->id.ranges)
    return fail (err, ERR_INTERNAL, "%s: a range outside the image was asked for", s->shown);
  if (source_idle (s) == 0 || job_new (s, JOB_DATA, range, sink, ctx) == NULL)
    return fail (err, ERR_INTERNAL, "%s: more ranges than connections", s->shown);
  return 0;
}

void
source_shorten (struct source *s, const void *ctx, uint64_t len)
{
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    struct job *job = &s->jobs.job[i];

    if (job->state == JOB_FREE || job->kind != JOB_DATA || job->ctx != ctx)
      continue;
    job->range.len = max_u64 (job->done, min_u64 (len, job->range.len));
    if (job->done == job->range.len)
      job_finish (job);
  }
}

unsigned
source_busy (const struct source *s)
{
  return (unsigned)s->jobs.busy_data;
}

unsigned
source_idle (const struct source *s)
{
  unsigned busy = source_busy (s);

  return busy < s->options.connections ? s->options.connections - busy : 0;
}

int
source_step (struct source *s, int timeout_ms, struct error *err)
{
  int64_t until = monotonic_ms () + timeout_ms, left;
  int happened;

  do {
    left = until - monotonic_ms ();
    if (left < 0)
      left = 0;
    happened = s->kind == SOURCE_HTTP ? engine_turn (s, (int)left, err)
                                      : file_step (s, (int)left, err);
    if (happened == -1)
      source_cancel (s);
    if (atomic_exchange (&s->net.woken, false))
      happened |= 1;
  } while (happened == 0 && left > 0);
  return happened == -1 ? -1 : 0;
}

void
source_wake (struct source *s)
{
  atomic_store (&s->net.woken, true);
  curl_multi_wakeup (s->net.multi);
}

void
source_cancel (struct source *s)
{
  size_t i;

  for (i = 0; i < s->jobs.n; i++) {
    if (s->jobs.job[i].state != JOB_FREE)
      job_finish (&s->jobs.job[i]);
  }
  s->failed = false;
}
