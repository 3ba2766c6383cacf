/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * jobs: see jobs.h.  Every job opens the journal for itself and shares only the display.
 */
#include "cli/jobs.h"

#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/human.h"
#include "cli/imports.h"
#include "cli/json.h"
#include "cli/notify.h"
#include "cli/publisher.h"
#include "cli/output.h"
#include "cli/stop.h"

struct crew {
  const struct arguments *a;
  struct display *display;
  struct job *jobs;
  size_t n;
  atomic_size_t next; /* job */
};

struct member {
  struct crew *crew;
  size_t slot;
  pthread_t thread;
};

static void
tell_warnings (struct display *d, const struct arguments *a, struct qimport *q)
{
  char *all = qimport_take_warning (q), *save = NULL, *line;

  if (all == NULL)
    return;
  if (!a->quiet)
    for (line = strtok_r (all, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
      display_message (d, "warning: %s", line);
  qimport_free (all);
}

int
drive (struct display *d, size_t slot, const struct arguments *a, struct qimport *q,
       struct qimport_error *err)
{
  enum { STEP_MS = 200 };
  int more;

  stop_watch (q);
  do {
    more = qimport_step (q, STEP_MS, err);
    tell_warnings (d, a, q);
    if (more == 1)
      display_show (d, slot);
  } while (more == 1);
  stop_unwatch (q);
  display_end (d, slot);
  return more;
}

/* One line: why it ended (a signal needs no words), how much is safe, how to go on. */
static void
tell_interrupted (struct display *d, const struct arguments *a, struct qimport_journal *j,
                  const struct qimport_progress *p, const char *why)
{
  char id[SHORT_ID_SIZE], done[HUMAN_SIZE], all[HUMAN_SIZE];
  char safe[96] = "nothing is written yet", journal[JOURNAL_OPTION_SIZE], reason[1024];

  if (p->guest_total > 0)
    snprintf (safe, sizeof safe, "%s of %s are safe", human_size (done, p->guest_committed),
              human_size (all, p->guest_total));
  journal_option (journal, sizeof journal, a->journal);
  without_advice (reason, sizeof reason, why);
  display_message (d, "%s; %s; go on with: qimport resume %s%s", reason, safe,
                   short_id (id, j, p->id), journal);
}

/* Before there was an import to go on with. */
static void
tell_not_begun (struct display *d, const char *why)
{
  char reason[1024];

  without_advice (reason, sizeof reason, why);
  display_message (d, "%s; nothing was begun yet: run the same command again", reason);
}

/* Any other end; where its words name a command, the journal that it needs is added. */
static void
tell_refused (struct display *d, const struct arguments *a, const char *why)
{
  char journal[JOURNAL_OPTION_SIZE];

  journal_option (journal, sizeof journal, a->journal);
  if (journal[0] != '\0' && strstr (why, "`qimport ") != NULL)
    display_message (d, "%s (with%s)", why, journal);
  else
    display_message (d, "%s", why);
}

/* Of an import that was to leave nothing. */
static void
tell_once (struct display *d, const char *why)
{
  char reason[1024];

  without_advice (reason, sizeof reason, why);
  display_message (d, "%s; nothing of it is kept (--once)", reason);
}

static bool
is_once (const struct arguments *a)
{
  size_t i;

  for (i = 0; i < a->n_given; i++)
    if (strcmp (a->given[i].name, "once") == 0)
      return true;
  return false;
}

/* Its words say already what to do before there is an import. */
static bool
gives_advice (const struct qimport_error *err)
{
  return strcmp (err->code, "source-unreachable") == 0
         || strcmp (err->code, "source-ended") == 0;
}

/* Say what became of an import that ended with ERR: which part is safe, and how to go on.
 * Returns the exit status. */
static int
tell_failure (struct display *d, const struct arguments *a, struct qimport_journal *j,
              const struct qimport_progress *p, const struct qimport_error *err)
{
  const char *why = stop_requested () ? "interrupted" : err->message;

  notify_status (why);
  if (is_once (a) && err->status == QIMPORT_INTERRUPTED)
    tell_once (d, why);
  else if (p->id[0] == '\0' && gives_advice (err) && !stop_requested ())
    display_message (d, "%s; nothing was begun", why);
  else if (err->status == QIMPORT_INTERRUPTED && p->id[0] != '\0')
    tell_interrupted (d, a, j, p, why);
  else if (err->status == QIMPORT_INTERRUPTED)
    tell_not_begun (d, why);
  else
    tell_refused (d, a, err->message);
  return exit_status (err);
}

static int
receipt_says (const char *json, const char *path)
{
  char value[8];

  return json_find (json, path, value, sizeof value) && strcmp (value, "true") == 0;
}

/* How far the image is known to be what its publisher made: its receipt says it. */
static void
source_check (struct qimport_journal *j, const char *id, char *out, size_t size)
{
  char *json, checksum[256], publisher[PUBLISHER_SIZE];
  struct qimport_error err;

  snprintf (out, size, "the image's checksum was not computed");
  if (qimport_receipt (j, id, &json, &err) == -1)
    return;
  if (receipt_says (json, "verification.image_checksum_checked")
      && json_find (json, "digests.image_checksum", checksum, sizeof checksum)) {
    checksum[strcspn (checksum, ":")] = '\0';
    publisher_words (publisher, json, "verification");
    snprintf (out, size, "the image's checksum (%s) is as expected: %s", checksum, publisher);
  } else if (receipt_says (json, "verification.image_sha256_computed"))
    snprintf (out, size, "the image's SHA-256 was computed, not checked (no --checksums)");
  qimport_free (json);
}

static int
copy_info (void *ctx, const struct qimport_info *info)
{
  *(struct qimport_info *)ctx = *info;
  return 0;
}

/* FETCHED_NOW: for it, and for those that were written with it. */
static void
tell_success (const struct crew *c, struct qimport_journal *j, const struct qimport_progress *p,
              uint64_t fetched_now, int64_t elapsed_ms)
{
  char size[HUMAN_SIZE], fetched[HUMAN_SIZE], took[HUMAN_SIZE], rate[HUMAN_SIZE], checked[512];
  uint64_t ms = elapsed_ms < 1 ? 1 : (uint64_t)elapsed_ms;
  struct qimport_info info = { .id = "" };
  struct qimport_error err;

  if (c->a->quiet || qimport_list (j, p->id, copy_info, &info, &err) == -1
      || info.id[0] == '\0')
    return;
  source_check (j, p->id, checked, sizeof checked);
  display_message (
      c->display, "complete: %s is in %s: %s (%s fetched) in %s, %s/s; %s", info.url,
      info.target, human_size (size, info.virtual_size), human_size (fetched, fetched_now),
      human_duration (took, (double)elapsed_ms / 1000),
      human_size (rate, (uint64_t)((double)fetched_now * 1000 / (double)ms)), checked);
}

static int
open_import (struct qimport **q, struct qimport_journal *j, const struct job *job,
             const struct qimport_options *o, struct qimport_error *err)
{
  switch (job->verb) {
  case JOB_START:
    return job->targets != NULL ? qimport_start_several (q, j, job->url, job->targets, o, err)
                                : qimport_start (q, j, job->url, job->target, o, err);
  case JOB_ENSURE:
    return qimport_ensure (q, j, job->url, job->target, o, err);
  case JOB_RESUME:
    return qimport_resume (q, j, job->target, o, err);
  }
  return -1;
}

/* The bar says which disk it is. */
static void
name_job (struct display *d, size_t slot, struct qimport_journal *j, const struct job *job,
          struct qimport *q)
{
  struct qimport_info info = { .id = "" };
  struct qimport_error err;
  char path[4096];

  snprintf (path, sizeof path, "%s", job->target);
  if (job->verb == JOB_RESUME && qimport_list (j, job->target, copy_info, &info, &err) == 0
      && info.target[0] != '\0')
    snprintf (path, sizeof path, "%s", info.target);
  display_begin (d, slot, basename (path), q);
}

/* What became of Q, which is over. */
static int
tell_result (const struct crew *c, struct qimport_journal *j, const struct job *job,
             struct qimport *q, uint64_t fetched_now, int64_t elapsed_ms)
{
  struct qimport_progress p;
  struct qimport_error err;

  progress_of (q, &p);
  if (qimport_step (q, 0, &err) == -1)
    return tell_failure (c->display, c->a, j, &p, &err);
  if (job->verb != JOB_ENSURE || p.fetched_now > 0)
    tell_success (c, j, &p, fetched_now, elapsed_ms);
  return 0;
}

/* Before anything was begun for any target, what ended it is said once. */
static bool
was_said (struct qimport *q, unsigned i)
{
  struct qimport_error err, before;
  struct qimport_progress p;

  qimport_progress_get (qimport_target (q, i), &p);
  return i > 0 && p.id[0] == '\0' && qimport_step (qimport_target (q, i), 0, &err) == -1
         && qimport_step (qimport_target (q, i - 1), 0, &before) == -1
         && strcmp (err.message, before.message) == 0;
}

/* An import in hand, or several, to the end: the first status that is not 0. */
static int
finish_job (const struct crew *c, size_t slot, struct qimport_journal *j, const struct job *job,
            struct qimport *q)
{
  int64_t begun = now_monotonic_ms ();
  struct qimport_progress all;
  struct qimport_error err;
  unsigned i;
  int status = 0;

  name_job (c->display, slot, j, job, q);
  drive (c->display, slot, c->a, q, &err);
  qimport_progress_get (q, &all);
  for (i = 0; qimport_target (q, i) != NULL; i++) {
    int one = was_said (q, i) ? 0
                              : tell_result (c, j, job, qimport_target (q, i), all.fetched_now,
                                             now_monotonic_ms () - begun);

    status = status == 0 ? one : status;
  }
  qimport_close (q);
  return status;
}

static int
run_job (const struct crew *c, size_t slot, const struct job *job)
{
  struct qimport_journal *j = NULL;
  struct qimport *q = NULL;
  struct qimport_error err;
  int status;

  if (qimport_journal_open (&j, c->a->journal, 0, &err) == -1
      || open_import (&q, j, job, job->options != NULL ? job->options : c->a->options, &err)
             == -1) {
    display_message (c->display, "%s", err.message);
    status = exit_status (&err);
  } else {
    status = finish_job (c, slot, j, job, q);
  }
  qimport_journal_close (j);
  return status;
}

/* A signal ends the jobs that run, and those that wait are not begun. */
static void *
work (void *ctx)
{
  const struct member *m = ctx;
  struct crew *c = m->crew;
  size_t i;

  while ((i = atomic_fetch_add (&c->next, 1)) < c->n) {
    c->jobs[i].status
        = stop_requested () ? QIMPORT_INTERRUPTED : run_job (c, m->slot, &c->jobs[i]);
    display_count (c->display);
  }
  return NULL;
}

/* Slot 0 is the caller's own thread. */
static int
work_together (struct crew *c, size_t members)
{
  struct member m[JOBS_MAX];
  size_t i, begun = 1;

  m[0] = (struct member){ .crew = c, .slot = 0 };
  for (i = 1; i < members; i++, begun++) {
    m[i] = (struct member){ .crew = c, .slot = i };
    if (pthread_create (&m[i].thread, NULL, work, &m[i]) != 0)
      break; /* the others do its share */
  }
  work (&m[0]);
  for (i = 1; i < begun; i++)
    pthread_join (m[i].thread, NULL);
  for (i = 0; i < c->n; i++)
    if (c->jobs[i].status != 0)
      return c->jobs[i].status;
  return 0;
}

/* A unit that brings a disk onto its target is there when the disk is; one that goes on with
 * what was interrupted is there when it works. */
static void
tell_ready (void)
{
  notify ("READY=1");
}

int
jobs_run (const struct arguments *a, struct job *jobs, size_t n)
{
  bool brings = n == 0 || jobs[0].verb != JOB_RESUME;
  size_t members = a->jobs < n ? a->jobs : n;
  struct crew c = { .a = a, .jobs = jobs, .n = n };
  int status = stop_begin ();

  if (status != 0)
    return status;
  if (!brings)
    tell_ready ();
  if (n > 0) {
    c.display = display_new (a, members, n, brings);
    if (c.display == NULL)
      return out_of_memory ();
    status = work_together (&c, members);
    display_close (c.display);
  }
  if (brings && status == 0)
    tell_ready ();
  notify (status == 0 ? "STOPPING=1\nSTATUS=complete" : "STOPPING=1");
  return status;
}
