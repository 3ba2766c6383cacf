/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * public: the functions of qimport.h that begin, step and end an import.  Turns the rooms'
 * errors into the public one; decides nothing else.
 */
#include "import/several.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "unwrap/unwrap.h"

int
publish_error (struct qimport_error *out, const struct error *err)
{
  if (out == NULL)
    return -1;
  out->status = (enum qimport_status)error_status (err->code);
  snprintf (out->code, sizeof out->code, "%s", error_word (err->code));
  snprintf (out->message, sizeof out->message, "%s", err->text);
  return -1;
}

const char *
qimport_version (void)
{
  return PACKAGE_VERSION;
}

const char *
qimport_built_in (void)
{
  return unwrap_built_in ();
}

void
qimport_free (void *p)
{
  free (p);
}

struct qimport_options *
qimport_options_new (void)
{
  return options_new ();
}

void
qimport_options_free (struct qimport_options *o)
{
  options_close (o);
}

int
qimport_options_set (struct qimport_options *o, const char *name, const char *value,
                     struct qimport_error *out)
{
  struct error err;

  return options_set (o, name, value, &err) == -1 ? publish_error (out, &err) : 0;
}

static struct qimport *
qimport_alloc (enum job job, struct qimport_journal *j, const struct qimport_options *options)
{
  struct qimport *q = calloc (1, sizeof *q);
  struct error ignored;

  if (q == NULL)
    return NULL;
  pthread_mutex_init (&q->shown.lock, NULL);
  checker_init (&q->checker);
  q->job = job;
  q->journal = j->journal;
  q->shown.progress.eta_seconds = -1;
  snprintf (q->shown.progress.state, sizeof q->shown.progress.state, "probing");
  q->options = options_copy (options);
  if (q->options == NULL || image_init (&q->image, &ignored) == -1) {
    qimport_close (q);
    return NULL;
  }
  return q;
}

static int
open_job (struct qimport **out, enum job job, struct qimport_journal *j, const char *url,
          const char *target, const char *id, const struct qimport_options *options,
          struct error *err)
{
  struct qimport *q;

  if (j->read_only)
    return fail (err, ERR_USAGE, "the journal was opened for reading only");
  if (options != NULL && options->verify && !options->digest)
    return fail (err, ERR_USAGE, "--verify needs the digests that --digest off leaves out");
  q = qimport_alloc (job, j, options);
  if (q == NULL)
    return fail_memory (err, "an import");
  q->given.url = url == NULL ? NULL : strdup (url);
  q->given.target_path = target == NULL ? NULL : strdup (target);
  q->given.id = id == NULL ? NULL : strdup (id);
  if ((url != NULL && q->given.url == NULL) || (target != NULL && q->given.target_path == NULL)
      || (id != NULL && q->given.id == NULL)) {
    qimport_close (q);
    return fail_memory (err, "an import");
  }
  if (q->options->max_time_s > 0)
    q->stops.deadline = monotonic_ms () + (int64_t)q->options->max_time_s * 1000;
  *out = q;
  return 0;
}

/* The length of the scheme that WORD begins with, "://" behind it, or 0. */
static size_t
scheme_of (const char *word)
{
  size_t len
      = strspn (word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

  return strncmp (word + len, "://", 3) == 0 ? len : 0;
}

/* A target is a path; only NBD has URIs of them. */
static int
check_target_word (const char *url, const char *target, struct error *err)
{
  size_t scheme = scheme_of (target);
  char shown[512];

  if (strcmp (target, "-") == 0)
    return fail (
        err, ERR_USAGE,
        "- is no target: what is written has to be read again and made durable; give a "
        "file to make, or a block device");
  if (scheme == 0 || (scheme >= 3 && strncasecmp (target, "nbd", 3) == 0))
    return 0;
  redact_url (shown, sizeof shown, target);
  if (scheme_of (url) == 0)
    return fail (err, ERR_USAGE,
                 "%s: is a URL, and stands where the target should; URL comes "
                 "first, then TARGET",
                 shown);
  return fail (err, ERR_USAGE,
               "%s: no kind of target that is known; give a file to make, or a "
               "block device",
               shown);
}

static int
check_words (const char *url, const char *target, struct error *err)
{
  if (url == NULL || url[0] == '\0')
    return fail (err, ERR_USAGE, "the URL is empty; give http, https, file, a path, or -");
  if (target == NULL || target[0] == '\0')
    return fail (err, ERR_USAGE, "the target is empty; give a file to make, or a block device");
  return check_target_word (url, target, err);
}

int
qimport_start (struct qimport **out, struct qimport_journal *j, const char *url,
               const char *target, const struct qimport_options *options,
               struct qimport_error *error)
{
  struct error err;

  if (check_words (url, target, &err) == -1
      || open_job (out, JOB_START, j, url, target, NULL, options, &err) == -1)
    return publish_error (error, &err);
  (*out)->machine.phase = PHASE_START;
  return 0;
}

/* Carried by Q. */
static int
open_members (struct qimport *q, struct qimport_journal *j, const char *url,
              const char *const *targets, unsigned n, const struct qimport_options *options,
              struct error *err)
{
  struct qimport *member[COPY_OUTLETS_MAX];
  unsigned i, opened = 0;
  int rc = 0;

  for (i = 0; i < n && rc == 0; i++, opened += rc == 0)
    rc = open_job (&member[i], JOB_START, j, url, targets[i], NULL, options, err);
  if (rc == 0)
    rc = several_open (q, member, n, err);
  while (rc == -1 && opened > 0)
    qimport_close (member[--opened]);
  return rc;
}

static int
check_targets (const char *url, const char *const *targets, unsigned *n, struct error *err)
{
  for (*n = 0; targets[*n] != NULL; ++*n) {
    if (*n == COPY_OUTLETS_MAX)
      return fail (err, ERR_USAGE, "more than %d targets; give the others in another run",
                   COPY_OUTLETS_MAX);
    if (check_words (url, targets[*n], err) == -1)
      return -1;
  }
  return *n > 0 ? 0 : check_words (url, NULL, err);
}

int
qimport_start_several (struct qimport **out, struct qimport_journal *j, const char *url,
                       const char *const *targets, const struct qimport_options *options,
                       struct qimport_error *error)
{
  struct qimport *q = NULL;
  struct error err;
  unsigned n;

  if (check_targets (url, targets, &n, &err) == -1)
    return publish_error (error, &err);
  if (n == 1)
    return qimport_start (out, j, url, targets[0], options, error);
  if (open_job (&q, JOB_START, j, url, NULL, NULL, options, &err) == -1
      || open_members (q, j, url, targets, n, options, &err) == -1) {
    qimport_close (q);
    return publish_error (error, &err);
  }
  q->machine.phase = PHASE_GATHER;
  *out = q;
  return 0;
}

struct qimport *
qimport_target (struct qimport *q, unsigned i)
{
  if (!import_is_carrier (q))
    return i == 0 ? q : NULL;
  return i < q->several->n ? q->several->member[i] : NULL;
}

int
qimport_ensure (struct qimport **out, struct qimport_journal *j, const char *url,
                const char *target, const struct qimport_options *options,
                struct qimport_error *error)
{
  struct error err;

  if (check_words (url, target, &err) == -1
      || open_job (out, JOB_ENSURE, j, url, target, NULL, options, &err) == -1)
    return publish_error (error, &err);
  (*out)->machine.phase = PHASE_ENSURE;
  return 0;
}

int
qimport_resume (struct qimport **out, struct qimport_journal *j, const char *id,
                const struct qimport_options *options, struct qimport_error *error)
{
  struct error err;

  if (open_job (out, JOB_RESUME, j, NULL, NULL, id, options, &err) == -1)
    return publish_error (error, &err);
  (*out)->machine.phase = PHASE_RESUME;
  return 0;
}

int
qimport_audit (struct qimport **out, struct qimport_journal *j, const char *id,
               const struct qimport_options *options, struct qimport_error *error)
{
  struct error err;

  if (open_job (out, JOB_AUDIT, j, NULL, NULL, id, options, &err) == -1)
    return publish_error (error, &err);
  (*out)->machine.phase = PHASE_AUDIT;
  return 0;
}

int
qimport_step (struct qimport *q, int timeout_ms, struct qimport_error *error)
{
  struct error err = { .code = ERR_NONE };
  int rc;

  if (import_is_member (q) && !q->machine.over) /* who carries it does its work */
    return 1;
  rc = import_step (q, timeout_ms, &err);
  return rc == -1 ? publish_error (error, &err) : rc;
}

void
qimport_cancel (struct qimport *q)
{
  atomic_store (&q->stops.asked, true);
  atomic_store (&q->stops.give_up, true);
  q->stops.check = true;
  if (import_is_carrier (q))
    several_cancel (q);
}

void
qimport_close (struct qimport *q)
{
  struct error closed;

  if (q == NULL)
    return;
  if (!q->machine.over && q->journal != NULL && q->image.records != NULL) {
    fail (&closed, ERR_INTERRUPTED, "closed before it was complete");
    atomic_store (&q->stops.asked, true);
    atomic_store (&q->stops.give_up, true);
    import_leave (q, &closed);
  }
  if (import_is_carrier (q))
    several_close (q);
  import_tell_early (q, &closed); /* there may be no import they could be told of */
  import_close_image (q);
  import_close_audit (q);
  options_close (q->options);
  free (q->map.extents);
  image_release (&q->image);
  free (q->given.url);
  free (q->given.target_path);
  free (q->given.id);
  free (q->shown.warnings);
  checker_release (&q->checker);
  pthread_mutex_destroy (&q->shown.lock);
  free (q);
}

int
qimport_run (struct qimport *q, int (*progress) (void *ctx, const struct qimport_progress *p),
             void *ctx, int interval_ms, struct qimport_error *err)
{
  struct qimport_progress now;
  int64_t shown = 0;
  int rc;

  while ((rc = qimport_step (q, interval_ms, err)) == 1) {
    if (progress == NULL || monotonic_ms () - shown < interval_ms)
      continue;
    shown = monotonic_ms ();
    qimport_progress_get (q, &now);
    if (progress (ctx, &now) != 0)
      qimport_cancel (q);
  }
  return rc;
}
