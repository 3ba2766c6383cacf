/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * shown: what is shown of a running import, for any thread to read.  Counts what is
 * committed and written, never what was only asked for.
 */
#include "import/several.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"

enum { RATE_MS = 500, ETA_MOST = 100 * 86400 /* seconds */ };

void
import_note (struct qimport *q, const char *fmt, ...)
{
  va_list ap;

  pthread_mutex_lock (&q->shown.lock);
  va_start (ap, fmt);
  vsnprintf (q->shown.progress.note, sizeof q->shown.progress.note, fmt, ap);
  va_end (ap);
  pthread_mutex_unlock (&q->shown.lock);
}

void
import_warn (struct qimport *q, const char *fmt, ...)
{
  OWN_MEM char *line = NULL;
  char *all = NULL;
  va_list ap;
  int n;

  if (import_is_member (q))
    q = q->several->carrier;
  va_start (ap, fmt);
  n = vasprintf (&line, fmt, ap);
  va_end (ap);
  if (n == -1) {
    line = NULL;
    return;
  }
  pthread_mutex_lock (&q->shown.lock);
  if (asprintf (&all, "%s%s%s", q->shown.warnings ? q->shown.warnings : "",
                q->shown.warnings ? "\n" : "", line)
      != -1) {
    free (q->shown.warnings);
    q->shown.warnings = all;
  }
  pthread_mutex_unlock (&q->shown.lock);
}

char *
qimport_take_warning (struct qimport *q)
{
  char *text;

  pthread_mutex_lock (&q->shown.lock);
  text = q->shown.warnings;
  q->shown.warnings = NULL;
  pthread_mutex_unlock (&q->shown.lock);
  return text;
}

/* Smoothed over some seconds, so that it can be read.  BYTES: how many have come so far, or of
 * an audit were looked at. */
static void
update_rate (struct qimport *q, struct qimport_progress *p, uint64_t bytes)
{
  int64_t now = monotonic_ms ();
  double now_rate;

  if (q->shown.rate_at == 0 || bytes < q->shown.rate_bytes) {
    q->shown.rate_at = now;
    q->shown.rate_bytes = bytes;
    return;
  }
  if (now - q->shown.rate_at < RATE_MS)
    return;
  now_rate = (double)(bytes - q->shown.rate_bytes) * 1000 / (double)(now - q->shown.rate_at);
  p->rate = p->rate == 0 ? now_rate : 0.75 * p->rate + 0.25 * now_rate;
  if (q->audit == NULL && bytes != q->shown.rate_bytes)
    p->note[0] = '\0';
  q->shown.rate_at = now;
  q->shown.rate_bytes = bytes;
}

/* What is wrapped tells its length, and the file's bytes come in order: that is the work. */
static bool
update_wrapped_work (struct qimport *q)
{
  uint64_t len = q->image.layers[0].file_len;

  if (q->image.wrapper == WRAPPER_NONE || len == UINT64_MAX)
    return false;
  q->shown.work.total = len;
  if (q->forward.stream != NULL)
    q->shown.work.done = min_u64 (forward_taken (&q->forward), len);
  return true;
}

/* What the journal has of a stream's earlier run is no total.  Zeros take no time; of a disk of
 * nothing else they are the work.  Of a stream they are known as the tables come. */
static void
update_work (struct qimport *q, const struct copy_progress *c)
{
  uint64_t total = q->imp.guest_total, zeros = q->imp.zero_total, data;
  bool all_zeros;

  if (update_wrapped_work (q))
    return;
  if (forward_found (&q->forward, &total, &data))
    zeros = total - data;
  else if (q->imp.stream && !q->imp.sealed) {
    q->shown.work.done = min_u64 (c->guest_committed, q->shown.work.total);
    return;
  }
  all_zeros = zeros >= total;
  q->shown.work.total = all_zeros ? total : total - zeros;
  q->shown.work.done = c->guest_committed - (all_zeros ? 0 : c->zero_committed);
}

/* Bytes that the rate has to bring yet; -1: not known.  A stream is read to its end. */
static double
bytes_left (const struct qimport *q, const struct qimport_progress *p)
{
  uint64_t len = q->image.layers[0].file_len, left;

  if (q->audit != NULL)
    return (double)(p->guest_total - p->guest_committed);
  if (q->image.stream && q->image.wrapper != WRAPPER_NONE)
    return len == UINT64_MAX ? -1 : (double)(len - min_u64 (len, forward_taken (&q->forward)));
  if (q->image.stream && len != UINT64_MAX)
    return (double)(len - min_u64 (len, p->fetched_now));
  if (q->image.stream)
    return forward_left (&q->forward, &left) ? (double)left : -1;
  if (q->shown.work.total == 0)
    return 0;
  return (double)(q->shown.work.total - min_u64 (q->shown.work.done, q->shown.work.total))
         / (double)q->shown.work.total * (double)p->image_total;
}

/* A rate that dies away tells no time. */
static double
eta (const struct qimport *q, const struct qimport_progress *p)
{
  double left = bytes_left (q, p);

  if (p->rate <= 0 || p->guest_total == 0 || left < 0 || left / p->rate > ETA_MOST)
    return -1;
  return left / p->rate;
}

static const char *
shown_state (const struct qimport *q)
{
  if (q->job == JOB_AUDIT)
    return q->imp.no > 0 ? import_state_word (q->imp.now.state) : "probing";
  if (q->machine.over)
    return q->machine.result == 0                                          ? "complete"
           : error_status (q->machine.failure.code) == QIMPORT_INTERRUPTED ? "interrupted"
                                                                           : "failed";
  if (q->copy != NULL || q->machine.phase == PHASE_PART)
    return "copying";
  return q->imp.sealed ? "mapped" : "probing";
}

void
import_update_progress (struct qimport *q)
{
  struct qimport_progress *p = &q->shown.progress;
  struct copy_progress c = { q->imp.now.guest_committed, q->imp.now.guest_committed,
                             q->imp.now.segments_committed, q->imp.now.zero_committed };
  uint64_t fetched = 0, retries = 0, total = q->imp.guest_total, data;
  unsigned k;

  forward_found (&q->forward, &total, &data);
  for (k = 0; k < q->image.n_layers; k++)
    if (q->image.sources[k] != NULL) {
      fetched += source_fetched (q->image.sources[k]);
      retries += source_retries (q->image.sources[k]);
    }
  if (q->copy != NULL)
    copy_progress (q->copy, &c);
  pthread_mutex_lock (&q->shown.lock);
  if (q->imp.no > 0)
    snprintf (p->id, sizeof p->id, "%s", q->imp.id);
  snprintf (p->state, sizeof p->state, "%s", shown_state (q));
  p->guest_total = max_u64 (p->guest_total, total);
  p->image_total = q->imp.image_total;
  if (q->audit == NULL && (q->copy != NULL || p->guest_written == 0)) {
    p->guest_written = c.guest_written;
    p->guest_committed = c.guest_committed;
    update_work (q, &c);
  }
  p->fetched_now = fetched;
  p->fetched = q->imp.now.fetched + fetched;
  p->retries = retries;
  update_rate (q, p, q->audit != NULL ? p->guest_committed : fetched);
  p->eta_seconds = eta (q, p);
  pthread_mutex_unlock (&q->shown.lock);
}

void
qimport_progress_get (struct qimport *q, struct qimport_progress *out)
{
  pthread_mutex_lock (&q->shown.lock);
  *out = q->shown.progress;
  pthread_mutex_unlock (&q->shown.lock);
}

void
qimport_progress_work (struct qimport *q, struct qimport_work *out)
{
  pthread_mutex_lock (&q->shown.lock);
  *out = q->shown.work;
  pthread_mutex_unlock (&q->shown.lock);
}

struct eta_text {
  char text[32];
};

static struct eta_text
eta_text (double seconds)
{
  struct eta_text t;

  if (seconds < 0)
    snprintf (t.text, sizeof t.text, "null");
  else
    snprintf (t.text, sizeof t.text, "%.0f", seconds);
  return t;
}

/* One line out of the journal's pretty document: what stands between lines is only indentation.
 */
static void
fold_lines (char *json)
{
  char *in = json, *out = json;

  while (*in != '\0')
    if (*in == '\n') {
      in++;
      in += strspn (in, " ");
    } else {
      *out++ = *in++;
    }
  *out = '\0';
}

int
qimport_progress_json (struct qimport *q, char **json, struct qimport_error *error)
{
  struct qimport_progress p;
  OWN_MEM struct journal_import *imp = malloc (sizeof *imp);
  OWN_MEM char *status = NULL;
  struct error err;
  char *end;

  qimport_progress_get (q, &p);
  *json = NULL;
  if (imp == NULL) {
    fail_memory (&err, "progress");
    return publish_error (error, &err);
  }
  if (p.id[0] == '\0') {
    if (asprintf (json, "{\"id\":null,\"state\":\"%s\",\"rate\":0,\"eta_seconds\":null}",
                  p.state)
        != -1)
      return 0;
    *json = NULL;
    fail_memory (&err, "progress");
    return publish_error (error, &err);
  }
  if (journal_find (q->journal, p.id, imp, &err) == -1
      || journal_status_json (q->journal, imp, &status, &err) == -1)
    return publish_error (error, &err);
  fold_lines (status);
  end = strrchr (status, '}');
  if (end == NULL
      || asprintf (json, "%.*s,\"rate\":%.0f,\"eta_seconds\":%s}", (int)(end - status), status,
                   p.rate, eta_text (p.eta_seconds).text)
             == -1) {
    *json = NULL;
    fail_memory (&err, "progress");
    return publish_error (error, &err);
  }
  return 0;
}
