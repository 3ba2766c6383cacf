/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * outcome: what becomes of a job whose request ended: done, asked again, asked elsewhere, or
 * the end of everything.  The only place that decides which failures pass (see also
 * response.c, which does so for statuses).
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Fewer bytes than this out of a whole answer are no way to go on. */
enum { CRUMBS = 1024, PLENTY = 16384 };

/* So often in a row without a byte, and a place that a redirect led to is left; and so often
 * for failures that no repetition mends. */
enum { STUCK_MAX = 2, RESOLVED_MAX = 5 };

uint64_t
job_where (const struct job *job)
{
  return job->range.at.v + job->done;
}

const char *
job_shown (const struct job *job)
{
  return job->answer.place->url.shown_pinned;
}

/* Another place goes on, or ERR is the end.  Vetting a mirror is never the end. */
int
place_failed (struct job *job, struct error *err)
{
  struct source *s = job->s;
  struct place *p = job->answer.place;

  p->dead = true;
  p->may_come_back = err->code == ERR_RETRY_BUDGET;
  p->total.failures++;
  if (job->kind == JOB_VET) {
    source_tell (s, "mirror", "%s", err->text);
    job_finish (job);
    return 0;
  }
  if (!place_other (s, job, p))
    return -1;
  source_tell (s, "mirror", "%s; going on with another one", err->text);
  job->wrong = 0;
  job_again (job, monotonic_ms ());
  return 0;
}

/* Nobody answered yet, and nobody ever did: what was typed may be wrong. */
static bool
is_mistyped (const struct job *job)
{
  return job->answer.mistyped != NULL && !job->s->waits.answered && !job->s->waits.recorded;
}

static int
spent (struct job *job, unsigned retry_after_s, const char *why, struct error *err)
{
  struct source *s = job->s;

  if (is_mistyped (job)) {
    char after[48] = "";

    if (s->waits.first.limit_ms > 0)
      snprintf (after, sizeof after, "given up after %lld s; ",
                (long long)s->waits.first.limit_ms / 1000);
    return fail (err, ERR_SOURCE_UNREACHABLE, "%s: %s; %scheck %s", s->shown, why, after,
                 job->answer.mistyped);
  }
  if (retry_after_s > 0)
    return fail (err, ERR_RETRY_BUDGET,
                 "%s at host offset %" PRIu64
                 ": %s, to be tried again after %u s, later than --retry-time %u allows; "
                 "`qimport resume` goes on",
                 job_shown (job), job_where (job), why, retry_after_s, s->options.retry_time_s);
  if (s->options.retry_time_s == 0)
    return fail (err, ERR_RETRY_BUDGET,
                 "%s at host offset %" PRIu64 ": %s; `qimport resume` goes on", job_shown (job),
                 job_where (job), why);
  return fail (err, ERR_RETRY_BUDGET,
               "%s at host offset %" PRIu64
               ": %s; given up after %u s without a new byte; `qimport resume` goes on",
               job_shown (job), job_where (job), why, s->options.retry_time_s);
}

uint32_t
source_random (struct source *s)
{
  s->random = s->random * 1664525u + 1013904223u;
  return s->random >> 8;
}

/* Is it time to leave where a redirect has led?  What failed together counts once. */
static bool
is_stuck (struct job *job, unsigned retry_after_s, int64_t now)
{
  struct answer *a = &job->answer;
  struct place *p = a->place;

  if (a->sent.generation != p->way.generation)
    return false;
  if (a->bytes.fresh > 0)
    p->health.stuck = 0;
  else if (a->pace.started_ms >= p->health.stuck_ms) {
    p->health.stuck++;
    p->health.stuck_ms = now;
  }
  return p->way.hops > 0
         && (p->health.stuck >= STUCK_MAX || retry_after_s > RETRY_MOST_MS / 1000);
}

static int
go_back (struct job *job, const char *why, struct error *err)
{
  struct place *p = job->answer.place;

  source_tell (job->s, "retry", "%s at host offset %" PRIu64 ": %s; back to %s",
               job_shown (job), job_where (job), why, p->url.shown);
  job_again (job, monotonic_ms ());
  return place_unsettle (p, err);
}

int
outcome_passing (struct job *job, unsigned retry_after_s, const char *why, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  struct place *p = a->place;
  int64_t now = monotonic_ms (), backoff = 0, wait, place_ms;
  bool aside, back = is_stuck (job, retry_after_s, now);

  p->total.failures++;
  if (a->sent.generation != p->way.generation) { /* it was moved while this one was under way */
    job_again (job, now);
    return 0;
  }
  if (back)
    retry_after_s = 0;
  if (a->bytes.fresh > 0)
    job->tries = 0;
  if (a->bytes.fresh < PLENTY)
    backoff = retry_backoff_ms (job->tries++, source_random (s));
  place_ms = retry_backoff_ms (p->health.fails, source_random (s));
  if (s->places.n > 1 && place_ms > backoff)
    backoff = place_ms;
  /* one that wants to be left alone for long may be, where another serves */
  aside = retry_after_s > 0 && place_ready (s, job, p, now);
  if (!retry_budget_allows (is_mistyped (job) ? &s->waits.first : &s->waits.budget, now,
                            a->pace.started_ms, backoff, aside ? 0 : retry_after_s, &wait)) {
    spent (job, retry_after_s, why, err);
    return job->kind == JOB_VET ? place_failed (job, err) : -1;
  }
  if (aside)
    wait = (int64_t)min_u64 (retry_after_s, RETRY_AFTER_MOST_S) * 1000;
  s->seen.retries++;
  if (back)
    return go_back (job, why, err);
  if (retry_after_s > 0 || s->places.n > 1) {
    p->health.fails += p->health.not_before_ms <= now; /* what fails at once counts once */
    p->health.not_before_ms = now + wait;
  }
  source_tell (s, "retry", "%s at host offset %" PRIu64 ": %s; again in %.1f s",
               job_shown (job), job_where (job), why, (double)wait / 1000);
  job_again (job, place_other (s, job, p) ? now : now + wait);
  return 0;
}

bool
outcome_leads_elsewhere (struct job *job, struct error *err, int *result)
{
  struct place *p = job->answer.place;
  int64_t now = monotonic_ms ();
  bool same;

  *result = 0;
  if (job->answer.sent.generation != p->way.generation) {
    job_again (job, now); /* it was moved while this one was under way */
    return true;
  }
  same = p->way.failed_at != NULL && strcmp (p->way.failed_at, p->url.pinned) == 0;
  if (p->way.hops == 0 || p->way.resolved >= RESOLVED_MAX || (same && !job->s->probed))
    return false;
  if (same) /* it has served before: give whoever sends us there time to notice */
    p->health.not_before_ms = now + retry_backoff_ms (p->way.resolved, source_random (job->s));
  p->way.resolved++;
  source_tell (job->s, "retry", "%s: %s; back to %s", job_shown (job), job->answer.j.why,
               p->url.shown);
  *result = place_go_back (p, err);
  job_again (job, now);
  return true;
}

static int
not_found (struct job *job, struct error *err)
{
  struct answer *a = &job->answer;
  const char *advice = refusal_advice (a->said.refusal.kind);
  int result;

  if (outcome_leads_elsewhere (job, err, &result))
    return result;
  if (job->s->probed)
    fail (err, ERR_SOURCE_NOT_FOUND,
          "%s at host offset %" PRIu64
          ": %s: the image is no longer there; `qimport resume --url NEW ID` keeps the "
          "progress if the validators match",
          job_shown (job), job_where (job), a->j.why);
  else
    fail (err, ERR_SOURCE_NOT_FOUND, "%s: %s: nothing is there; %s", job_shown (job), a->j.why,
          advice != NULL ? advice : "check the URL (resume: --url NEW)");
  return place_failed (job, err);
}

/* What was wrong elsewhere is not held against where requests go now. */
static void
forgive (struct source *s, struct place *p)
{
  size_t i;

  p->health.wrong = 0;
  for (i = 0; i < s->jobs.n; i++)
    if (s->jobs.job[i].state != JOB_FREE && s->jobs.job[i].answer.place == p)
      s->jobs.job[i].wrong = 0;
}

static int
redirected (struct job *job, struct error *err)
{
  struct source *s = job->s;
  struct place *p = job->answer.place;
  const char *advice = refusal_advice (job->answer.said.refusal.kind);
  char *url = NULL;
  int result;

  if (p->way.settled && outcome_leads_elsewhere (job, err, &result))
    return result;
  curl_easy_getinfo (job->easy, CURLINFO_REDIRECT_URL, &url);
  if (url == NULL) {
    fail (err, ERR_SOURCE_CONTRADICTS, "%s: %s without a Location that can be followed; %s",
          job_shown (job), job->answer.j.why, advice != NULL ? advice : "check the URL");
    return place_failed (job, err);
  }
  if (place_redirect (p, url, err) == -1)
    return err->code == ERR_NO_MEMORY ? -1 : place_failed (job, err);
  if (p->way.failed_at != NULL && strcmp (p->way.failed_at, p->url.pinned) != 0
      && p->way.resolved < RESOLVED_MAX)
    forgive (s, p);
  p->way.settled = false;
  source_tell (s, "redirected", "%s: to %s", p->url.shown, p->url.shown_pinned);
  job_again (job, monotonic_ms ());
  return 0;
}

/* 200 to a ranged request whose validators are equal (S1). */
static int
no_range (struct job *job, struct error *err)
{
  struct answer *a = &job->answer;
  int result;

  if (doubt_rangeless (job, err, &result))
    return result;
  if (a->sent.request.if_range) {
    a->place->image.no_if_range = true;
    job_again (job, monotonic_ms ());
    return 0;
  }
  return outcome_passing (
      job, 0,
      "the server sends the whole image instead of the range; if it goes on "
      "doing so, --stream reads it from the start",
      err);
}

/* An answer that passed its checks is over: is all of it there? */
static int
part_ended (struct job *job, CURLcode code, struct error *err)
{
  struct answer *a = &job->answer;
  bool open_end = a->j.len == LENGTH_UNKNOWN, whole;
  char why[320];

  if (a->overlong)
    return doubt_overlong (job, err);
  /* of a range that was shortened more may have been to come */
  whole = open_end ? code == CURLE_OK : job->done == job->range.len;
  if ((whole || a->bytes.received == a->j.len) && job->kind != JOB_VET)
    a->place->health.fails = 0;
  if (whole || a->bytes.received == a->j.len)
    a->place->health.wrong = a->place->health.stuck = 0;
  if (whole || a->bytes.received == a->j.len)
    share_served (job->s, a->place, monotonic_ms ());
  if (whole) {
    job_finish (job);
    return 0;
  }
  if (a->bytes.received == a->j.len) {
    if (a->bytes.fresh < CRUMBS && a->sent.request.ranged)
      return outcome_passing (job, 0, "the server sends less than 1 KiB at a time", err);
    job_again (job, monotonic_ms ());
    return 0;
  }
  if (a->said.words[0] == '\0')
    snprintf (a->said.words, sizeof a->said.words, "%s",
              code == CURLE_OK ? "closed early" : curl_easy_strerror (code));
  snprintf (why, sizeof why, "the connection broke off: ");
  escape_text (why + strlen (why), sizeof why - strlen (why), a->said.words,
               strlen (a->said.words));
  return outcome_passing (job, 0, why, err);
}

static int
status_failed (struct job *job, struct error *err)
{
  struct answer *a = &job->answer;
  const char *advice = refusal_advice (a->said.refusal.kind);
  int result;

  if (outcome_leads_elsewhere (job, err, &result))
    return result;
  fail (err, ERR_SOURCE_FAILED, "%s at host offset %" PRIu64 ": %s; %s", job_shown (job),
        job_where (job), a->j.why, advice != NULL ? advice : "check the URL");
  return place_failed (job, err);
}

static int
judged (struct job *job, CURLcode code, struct error *err)
{
  struct answer *a = &job->answer;
  char why[SHOWN_MAX];

  switch (a->j.verdict) {
  case RESPONSE_PART:
  case RESPONSE_WHOLE:
    return part_ended (job, code, err);
  case RESPONSE_EMPTY:
    job_finish (job);
    return 0;
  case RESPONSE_NO_RANGE:
    return no_range (job, err);
  case RESPONSE_WRONG:
    return doubt_wrong (job, err);
  case RESPONSE_CHANGED:
    return doubt_changed (job, err);
  case RESPONSE_REDIRECT:
    return redirected (job, err);
  case RESPONSE_DENIED:
    return a->j.proxy_refuses && a->proxied ? login_proxy_denied (job, err)
                                            : login_denied (job, err);
  case RESPONSE_NOT_FOUND:
    return not_found (job, err);
  case RESPONSE_FAILED:
    return status_failed (job, err);
  case RESPONSE_PASSING:
    if (a->j.busy)
      share_refused (job->s, a, monotonic_ms ());
    snprintf (why, sizeof why, "%s", a->j.why);
    return outcome_passing (job, a->j.retry_after_s, why, err);
  }
  return -1;
}

/* N13: a server or a box before it that is not good at HTTP/2 is spoken to without it; it has
 * no way to say so that libcurl understands.  What fails with one connection counts once. */
static void
note_http2 (struct job *job)
{
  struct answer *a = &job->answer;
  struct place *p = a->place;
  curl_off_t sent_us = 0;
  long version = 0;

  curl_easy_getinfo (job->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
  if (!a->sent.http2 || sent_us == 0)
    return;
  curl_easy_getinfo (job->easy, CURLINFO_HTTP_VERSION, &version);
  p->share.http2 = a->accepted && version == CURL_HTTP_VERSION_2_0;
  if (a->accepted && version != CURL_HTTP_VERSION_2_0)
    p->health.http2_fails = HTTP2_FAILS; /* it has none, or not always */
  if (a->accepted && p->health.http2_fails < HTTP2_FAILS)
    p->health.http2_fails = 0;
  if (a->headed)
    return;
  job->no_http2 = true;
  if (a->pace.started_ms > p->health.http2_failed_ms)
    p->health.http2_fails++;
  p->health.http2_failed_ms = monotonic_ms ();
}

/* What its body says belongs to its status.  That a token is over is no fault of the request's,
 * whatever status some say it with. */
static void
note_refusal (struct answer *a)
{
  struct judgement *j = &a->j;
  size_t n = strlen (j->why);

  refusal_read (&a->said.refusal, a->said.body, a->said.len);
  if (a->said.refusal.words[0] == '\0' || j->verdict < RESPONSE_REDIRECT)
    return;
  snprintf (j->why + n, sizeof j->why - n, " (%s)", a->said.refusal.words);
  if (a->said.refusal.kind != REFUSAL_EXPIRED
      || (j->verdict != RESPONSE_FAILED && j->verdict != RESPONSE_DENIED))
    return;
  j->verdict = RESPONSE_DENIED;
  j->unknown_user = true;
}

int
outcome_ended (struct job *job, CURLcode code, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;

  if (code == CURLE_OK && !a->headed)
    code = CURLE_GOT_NOTHING;
  note_http2 (job);
  a->mistyped = NULL;
  s->waits.answered |= a->headed;
  if (!s->failed && !a->judged && code == CURLE_OK)
    transfer_judge (job);
  if (s->failed) {
    *err = s->error;
    transfer_stop (job);
    return -1;
  }
  pace_ended (job);
  if (a->judged && !a->accepted)
    note_refusal (a);
  transfer_stop (job);
  return a->judged ? judged (job, code, err) : failure_ended (job, code, err);
}

int
outcome_stalled (struct job *job, struct error *err)
{
  const struct answer *a = &job->answer;
  char why[64];

  if (a->judged && !a->accepted) /* its headers said it all */
    return outcome_ended (job, CURLE_OPERATION_TIMEDOUT, err);
  snprintf (why, sizeof why, "slower than 1 KiB/s for %u s", job->s->options.stall_time_s);
  transfer_stop (job);
  return outcome_passing (job, 0, why, err);
}

void
outcome_outpaced (struct job *job)
{
  transfer_stop (job);
  source_tell (job->s, "retry",
               "%s at host offset %" PRIu64
               ": far slower than others; asked for again on another connection",
               job_shown (job), job_where (job));
  job->s->seen.retries++;
  job->avoid = job->answer.place;
  job_again (job, monotonic_ms ());
}
