/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * finish: what was copied is checked, put in its place and completed; and how an import is left
 * that was not.
 */
#include "import/several.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A stop comes from a signal handler and wakes nobody. */
enum { LOOK_MS = 100 };

/* The image's checksum as text, or "" where it was not made. */
static int
image_checksum (struct qimport *q, char text[HASH_TEXT], struct error *err)
{
  const struct journal_import *imp = &q->imp;
  struct checksum sum;
  struct hash h;

  snprintf (text, HASH_TEXT, "%s", q->forward.result.checksum);
  if (!imp->hash_image)
    return 0;
  if (q->copy != NULL && copy_image_checksum (q->copy, q->image.records[0].length, &sum)) {
    checksum_text (text, &sum);
    return 0;
  }
  if (q->copy != NULL
      || !hash_load (&h, checksum_text_algorithm (imp->expect_sha256), imp->now.image_hash,
                     imp->now.image_hash_len))
    return fail (err, ERR_INTERNAL, "the image's digest is not complete");
  hash_peek (&h, &sum);
  checksum_text (text, &sum);
  return 0;
}

static int
check_checksum (struct qimport *q, const char *text, struct error *err)
{
  const char *want = q->imp.expect_sha256;

  if (want[0] == '\0' || strcmp (want, text) == 0)
    return 0;
  return fail (err, ERR_SOURCE_CHECKSUM,
               "%s: was not put in place: the image's %s is %s, not %s as it must be; "
               "`qimport resume --restart %.8s` fetches all of it again",
               q->imp.target, hash_title (checksum_text_algorithm (want)),
               checksum_text_hex (text), checksum_text_hex (want), q->imp.id);
}

/* W3: the rename must not outlive the commits it follows, which are not durable by themselves;
 * this one is, and with it all before it. */
static int
settle_journal (struct qimport *q, struct error *err)
{
  size_t len = strlen (q->imp.target_identity);
  struct verify_spec v;
  char boot[24];

  import_verify_spec (q, &v);
  if (verify_name_first (&v, boot, err) == -1)
    return -1;
  if (strstr (q->imp.target_identity, boot) == NULL)
    snprintf (q->imp.target_identity + len, sizeof q->imp.target_identity - len, "%s", boot);
  return journal_set_target (q->journal, q->imp.no, q->imp.target_identity, err);
}

static void
remove_kept (const struct qimport *q, const char *dir)
{
  OWN_MEM char *path = forward_kept_path (&q->imp, dir, q->journal);

  if (path != NULL)
    kept_remove_at (path);
}

/* While the journal still knows the import, so that no such file is left over; also where it
 * was before --spool-dir was given. */
static void
forget_kept (struct qimport *q)
{
  if (!q->imp.stream)
    return;
  if (q->forward.result.kept != NULL)
    kept_remove (q->forward.result.kept);
  remove_kept (q, q->options->spool_dir);
  if (q->options->spool_dir != NULL)
    remove_kept (q, NULL);
}

int
phase_finish (struct qimport *q, int timeout_ms, struct error *err)
{
  char checksum[HASH_TEXT];
  int rc;

  if (!checker_wait (&q->checker, timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS))
    return PHASE_FINISH;
  if (checker_join (&q->checker, err) == -1 || image_checksum (q, checksum, err) == -1
      || check_checksum (q, checksum, err) == -1)
    return -1;
  rc = import_verify (q, timeout_ms, err);
  if (rc != 0)
    return rc == -1 ? -1 : PHASE_FINISH;
  image_tell_mirrors (&q->image);
  if (settle_journal (q, err) == -1 || import_fix_gpt (q, err) == -1
      || target_finish (q->target, err) == -1)
    return -1;
  forget_kept (q);
  if (journal_complete (q->journal, q->imp.no, checksum, err) == -1)
    return -1;
  import_update_progress (q);
  copy_close (q->copy);
  q->copy = NULL;
  kept_close (q->forward.result.kept);
  q->forward.result.kept = NULL;
  target_close (q->target);
  q->target = NULL;
  q->standing.in_journal = false;
  return PHASE_OVER;
}

/* What cannot be committed any more is done again at resume; the first reason is the one that
 * is told. */
void
import_stop_copy (struct qimport *q)
{
  struct error ignored;

  if (q->copy == NULL)
    return;
  copy_stop (q->copy, &ignored);
  if (import_is_carrier (q))
    several_note_failures (q);
  import_update_progress (q);
  copy_close (q->copy);
  q->copy = NULL;
}

void
import_leave (struct qimport *q, const struct error *why)
{
  bool passing = error_status (why->code) == QIMPORT_INTERRUPTED;
  bool vain = (q->standing.fresh && !passing) || (q->standing.began && q->options->once);
  struct error ignored;

  q->stops.check = true;
  import_stop_audit (q);
  forward_close (&q->forward);
  import_stop_copy (q);
  checker_join (&q->checker, &ignored);
  image_tell_mirrors (&q->image);
  /* In this order: while the journal knows the import, its part file is there. */
  if (q->standing.in_journal && vain && journal_forget (q->journal, q->imp.no, &ignored) == 0) {
    target_discard (q->target);
    q->target = NULL;
    forget_kept (q);
  } else if (q->standing.in_journal)
    journal_release (q->journal, q->imp.no, passing ? IMPORT_INTERRUPTED : IMPORT_FAILED, why,
                     &ignored);
  /* what cannot be unpacked, or belongs to no import, is of no use for a resume */
  if (q->forward.result.kept != NULL
      && (q->imp.no == 0 || error_status (why->code) == QIMPORT_IMAGE))
    kept_remove (q->forward.result.kept);
  q->standing.in_journal = false;
  kept_close (q->forward.result.kept);
  q->forward.result.kept = NULL;
  target_close (q->target);
  q->target = NULL;
  if (import_is_carrier (q))
    several_leave (q, why);
}
