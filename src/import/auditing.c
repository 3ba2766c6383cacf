/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * auditing: is a target still what was imported?  Finds the import, opens the target, lets
 * compare.c look and the journal be checked beside it, and gives the verdict.  Writes to the
 * target only for --repair (repair.c), to the journal only who looks and what was found.
 *
 *   Of a complete import all of the guest is looked at, and its root digest made; of one that
 *   was interrupted only what is committed: so a target that was restored from an older copy is
 *   found before resume goes on.
 */
#include "import/auditing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/descriptor.h"

enum { THREADS_MAX = 64 };

/* ---- The journal's check ------------------------------------------------------------------
 */

static int
start_check (struct qimport *q, struct error *err)
{
  struct audit *a = q->audit;

  return checker_start (&a->checker, journal_path (q->journal), a->imp.no, true, &a->stop_check,
                        NULL, err);
}

/* ---- Comparing ----------------------------------------------------------------------------
 */

static int
start_compare (struct qimport *q, struct error *err)
{
  struct audit *a = q->audit;
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  uint64_t threads = q->options->workers > 0 ? q->options->workers
                     : cpus > 0              ? (uint64_t)cpus
                                             : 1;
  struct compare_spec spec = {
    .journal_path = journal_path (q->journal),
    .imp = &a->imp,
    .target = q->target,
    .whole = a->whole && a->imp.digests == DIGESTS_ALL,
    .threads = (unsigned)min_u64 (threads, THREADS_MAX),
    .memory = q->options->memory,
    .stop = &q->stops.asked,
  };

  compare_result_release (&a->result);
  return compare_open (&a->compare, &spec, err);
}

static void
show_progress (struct qimport *q)
{
  const struct audit *a = q->audit;
  uint64_t done = a->compare != NULL ? compare_done (a->compare) : 0;

  pthread_mutex_lock (&q->shown.lock);
  q->shown.progress.guest_total = q->imp.guest_total;
  q->shown.progress.guest_written = q->shown.progress.guest_committed
      = min_u64 (done, q->imp.guest_total);
  q->shown.work.total = q->shown.progress.guest_total;
  q->shown.work.done = q->shown.progress.guest_committed;
  pthread_mutex_unlock (&q->shown.lock);
}

/* 1: more; 0: compared, and the journal can be believed: before that nothing is said of the
 * target. */
static int
compare_on (struct qimport *q, int timeout_ms, struct error *err)
{
  struct audit *a = q->audit;
  int rc = compare_step (a->compare, timeout_ms, err);
  struct error why;

  show_progress (q);
  if (rc == -1 && err->code == ERR_INTERRUPTED)
    return -1;
  if (rc == 1)
    return checker_failed (&a->checker, err) == -1 ? -1 : 1;
  if (!checker_wait (&a->checker, timeout_ms))
    return 1;
  if (checker_join (&a->checker, &why) == -1) {
    *err = why;
    return -1;
  }
  if (rc == -1)
    return -1;
  compare_take (a->compare, &a->result);
  compare_close (a->compare);
  a->compare = NULL;
  return 0;
}

/* ---- The verdict --------------------------------------------------------------------------
 */

static bool
differs (const struct audit *a)
{
  return a->result.n_differences > 0;
}

static const char *
root_hex (const struct audit *a, char hex[DIGEST_HEX])
{
  hex[0] = '\0';
  if (a->result.have_root)
    digest_hex (hex, a->result.root);
  return hex;
}

/* Every segment and every zero run agrees: then only bytes that are of neither can make another
 * root, and there are such only with --unallocated keep. */
static int
check_root (const struct qimport *q, const char *hex, struct error *err)
{
  const struct audit *a = q->audit;

  if (hex[0] == '\0' || a->imp.now.root_digest[0] == '\0' || a->imp.keep_holes
      || strcmp (hex, a->imp.now.root_digest) == 0)
    return 0;
  return fail (
      err, ERR_JOURNAL_CORRUPT,
      "journal %s: the root digest of import %.8s is not that of its target, though all "
      "segments agree; the journal was altered: put a good copy of it in its place",
      journal_path (q->journal), a->imp.id);
}

static int
fail_differs (const struct qimport *q, enum error_code code, const char *next,
              struct error *err)
{
  const struct audit *a = q->audit;
  const struct difference *first = a->result.differences;
  char all[24];

  return fail (
      err, code,
      "%s: differs from what was imported: %" PRIu64 " bytes at guest offset %" PRIu64
      "%s, %zu%s range%s (%s) in all; `qimport audit --repair %.8s` fetches them again%s",
      a->imp.target, first->length, first->start, first->zero ? " that should be zeros" : "",
      a->result.n_differences, a->result.cut ? " or more" : "",
      a->result.n_differences == 1 ? "" : "s", format_size (all, a->result.differ_bytes),
      a->imp.id, next);
}

/* With --digest off there is nothing to compare data with: nothing is pretended. */
static int
fail_unknown (const struct qimport *q, struct error *err)
{
  const struct audit *a = q->audit;
  char zeros[24];

  return fail (
      err, ERR_USAGE,
      "import %.8s was made with --digest off, so that its data cannot be audited; what "
      "must be zeros is (%s)",
      a->imp.id, format_size (zeros, a->result.zero_bytes));
}

static void
verdict_words (const struct audit *a, char words[256])
{
  const struct compare_result *r = &a->result;

  if (a->verdict == VERDICT_REPAIRED)
    snprintf (words, 256, "%" PRIu64 " segments fetched again, %" PRIu64 " bytes made zeros",
              a->repaired.segments, a->repaired.zeros);
  else if (a->verdict == VERDICT_SAME)
    snprintf (words, 256, "same: %" PRIu64 " segments, %" PRIu64 " bytes of zeros",
              r->segments_compared, r->zero_bytes);
  else
    snprintf (words, 256,
              "differs: %" PRIu64 " of %" PRIu64 " segments, %" PRIu64
              " bytes, the first at guest offset %" PRIu64,
              r->segments_differ, r->segments_compared, r->differ_bytes,
              r->differences[0].start);
}

static int
record_verdict (struct qimport *q, enum verdict verdict, struct error *err)
{
  struct audit *a = q->audit;
  char words[256], hex[DIGEST_HEX];

  root_hex (a, hex);
  if (verdict == VERDICT_SAME || verdict == VERDICT_REPAIRED) {
    if (check_root (q, hex, err) == -1)
      return -1;
    snprintf (q->imp.now.root_digest, sizeof q->imp.now.root_digest, "%s", hex);
  } else {
    hex[0] = '\0'; /* the root of something else is not the import's */
  }
  a->verdict = verdict;
  verdict_words (a, words);
  return journal_audited (q->journal, a->imp.no,
                          verdict == VERDICT_REPAIRED ? "repaired" : "audited", words, hex,
                          err);
}

/* ---- The phases ---------------------------------------------------------------------------
 */

/* What was read as a stream is known by no more than its header; the digests of the segments
 * tell whether its bytes are the same. */
static int
open_sources (struct qimport *q, struct error *err)
{
  bool recorded = !q->imp.stream;

  q->options->stream = false;
  if (q->image.sources[0] != NULL)
    return 0;
  if (import_recall_sources (q, err) == -1)
    return -1;
  if (url_descriptor (q->given.url, NULL))
    return fail (err, ERR_USAGE,
                 "import %.8s came through a pipe; say where its image is with --url",
                 q->imp.id);
  if (import_open_image (q, recorded, err) == -1)
    return -1;
  if (q->image.stream)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: does not honour ranges, so that single segments cannot be fetched; give "
                 "another place with --url, or import anew",
                 source_url (q->image.sources[0]));
  return 0;
}

static int
begin_repair (struct qimport *q, struct error *err)
{
  struct audit *a = q->audit;
  struct verify_spec v;

  if (a->result.segments_differ > 0 && open_sources (q, err) == -1)
    return -1;
  import_verify_spec (q, &v);
  return repair_open (&a->repair, &v, &a->result, &a->repaired, err);
}

int
phase_repair (struct qimport *q, int timeout_ms, struct error *err)
{
  struct audit *a = q->audit;
  int rc;

  (void)timeout_ms;
  if (a->repair == NULL && begin_repair (q, err) == -1)
    return -1;
  rc = repair_step (a->repair, &q->stops.check, err);
  if (rc != 0)
    return rc == -1 ? -1 : PHASE_REPAIR;
  repair_close (a->repair);
  a->repair = NULL;
  return start_compare (q, err) == -1 ? -1 : PHASE_COMPARE;
}

/* All that is committed of an import in progress is on its target, whatever copy that is. */
static int
vouch (struct qimport *q, struct error *err)
{
  struct target_spec spec;

  if (q->audit->whole || !q->options->repair)
    return 0;
  import_target_spec (q, &spec);
  target_vouch (q->target, &spec);
  return target_sync (q->target, err);
}

/* Nothing of it agrees: a repair would overwrite what somebody else has there. */
static bool
is_another (struct qimport *q)
{
  const struct compare_result *r = &q->audit->result;
  struct verify_spec v;

  import_verify_spec (q, &v);

  return r->segments_differ > 0 && r->segments_telling == 0 && !verify_first_is_same (&v);
}

static int
refuse_another (const struct audit *a, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s: nothing of what was imported is there: it is another disk, or overwritten "
               "as a whole, and was left alone; `qimport start --force` imports again",
               a->imp.target);
}

/* Go on with what differs; once more only while that becomes less. */
static int
after_difference (struct qimport *q, struct error *err)
{
  struct audit *a = q->audit;
  uint64_t before = a->found_bytes;

  a->found_bytes = a->result.differ_bytes;
  if (q->options->repair && (before == 0 || a->result.differ_bytes < before)) {
    if (before == 0 && record_verdict (q, VERDICT_DIFFERS, err) == -1)
      return -1;
    if (before == 0 && a->whole && is_another (q))
      return refuse_another (a, err);
    return PHASE_REPAIR;
  }
  if (record_verdict (q, VERDICT_DIFFERS, err) == -1)
    return -1;
  return fail_differs (q, ERR_DIFFERS, before > 0 ? "; this was just done, in vain" : "", err);
}

int
phase_compare (struct qimport *q, int timeout_ms, struct error *err)
{
  struct audit *a = q->audit;
  int rc = compare_on (q, timeout_ms, err);

  if (rc != 0)
    return rc == -1 ? -1 : PHASE_COMPARE;
  if (differs (a))
    return after_difference (q, err);
  if (a->imp.digests == DIGESTS_ALL) {
    if (vouch (q, err) == -1
        || record_verdict (q, a->found_bytes > 0 ? VERDICT_REPAIRED : VERDICT_SAME, err) == -1)
      return -1;
  } else {
    a->verdict = VERDICT_UNKNOWN;
    return fail_unknown (q, err);
  }
  import_stop_audit (q);
  target_close (q->target);
  q->target = NULL;
  return PHASE_OVER;
}

static int
open_target (struct qimport *q, struct error *err)
{
  struct audit *a = q->audit;
  struct target_identity id;
  struct target_spec spec;
  bool already;

  snprintf (id.text, sizeof id.text, "%s", a->imp.target_identity);
  import_target_spec (q, &spec);
  if (a->whole)
    return target_open_finished (&q->target, &spec, &id, q->options->repair, err) == -1
               ? -1
               : import_recall_amends (q, true, err);
  if (id.text[0] == '\0')
    return fail (
        err, ERR_USAGE,
        "import %.8s has not written anything to %s yet; `qimport resume %.8s` goes on",
        a->imp.id, a->imp.target, a->imp.id);
  spec.any_age = true;
  if (target_reopen (&q->target, &spec, &id, &already, err) == -1
      || import_restore_held (q, err) == -1)
    return -1;
  if (!q->options->repair)
    return 0;
  return already ? import_refuse_finished (q, err) : import_claim_target (q, err);
}

static struct audit *
audit_new (struct qimport *q, struct error *err)
{
  q->audit = calloc (1, sizeof *q->audit);
  if (q->audit == NULL)
    fail_memory (err, "an audit");
  else
    checker_init (&q->audit->checker);
  return q->audit;
}

int
phase_audit (struct qimport *q, int timeout_ms, struct error *err)
{
  struct audit *a = audit_new (q, err);

  (void)timeout_ms;
  if (a == NULL || import_find (q->journal, q->given.id, &a->imp, err) == -1
      || journal_hold_audit (q->journal, &a->imp, err) == -1)
    return -1;
  a->held = true;
  q->imp = a->imp;
  a->whole = a->imp.now.state == IMPORT_COMPLETE;
  if (import_hold_options (q, err) == -1 || open_target (q, err) == -1
      || start_check (q, err) == -1 || start_compare (q, err) == -1)
    return -1;
  return PHASE_COMPARE;
}

/* ---- --verify -----------------------------------------------------------------------------
 */

static int
begin_verify (struct qimport *q, struct error *err)
{
  struct audit *a;

  if (q->imp.digests != DIGESTS_ALL)
    return fail (err, ERR_USAGE,
                 "import %.8s was begun with --digest off and cannot be verified; resume it "
                 "without --verify",
                 q->imp.id);
  a = audit_new (q, err);
  if (a == NULL || journal_find (q->journal, q->imp.id, &a->imp, err) == -1)
    return -1;
  a->whole = true;
  import_note (q, "verifying");
  return start_compare (q, err);
}

int
import_verify (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc;

  if (!q->options->verify)
    return 0;
  if (q->audit == NULL && begin_verify (q, err) == -1)
    return -1;
  if (q->audit->verdict == VERDICT_SAME)
    return 0;
  rc = compare_on (q, timeout_ms, err);
  if (rc != 0)
    return rc;
  if (!differs (q->audit))
    return record_verdict (q, VERDICT_SAME, err);
  if (record_verdict (q, VERDICT_DIFFERS, err) == -1)
    return -1;
  return fail_differs (q, ERR_TARGET_FAILED, ", and `qimport resume` then completes it", err);
}

/* ---- The end ------------------------------------------------------------------------------
 */

void
import_stop_audit (struct qimport *q)
{
  struct audit *a = q->audit;
  struct error ignored;

  if (a == NULL)
    return;
  repair_close (a->repair);
  a->repair = NULL;
  compare_close (a->compare);
  a->compare = NULL;
  a->stop_check = true;
  checker_join (&a->checker, &ignored);
  if (a->held)
    journal_release_audit (q->journal, a->imp.no, &ignored);
  a->held = false;
}

void
import_close_audit (struct qimport *q)
{
  if (q->audit == NULL)
    return;
  import_stop_audit (q);
  compare_result_release (&q->audit->result);
  checker_release (&q->audit->checker);
  free (q->audit);
  q->audit = NULL;
}
