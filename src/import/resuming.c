/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * resuming: take up an import where a process left it: hold it, know target and sources again
 * (J4), and enter the phase that comes next.  The journal is checked beside the first fetch.
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
start_check (struct qimport *q, struct error *err)
{
  return checker_start (&q->checker, journal_path (q->journal), q->imp.no, false,
                        &q->stops.check, &q->stops.give_up, err);
}

/* Is every byte committed, and hashed where it has to be?  Then the network is not needed. */
static bool
all_committed (const struct journal_import *imp)
{
  return imp->sealed && imp->target_identity[0] != '\0'
         && imp->now.segments_committed == imp->segments && imp->now.zero_ord == imp->zero_runs
         && (!imp->hash_image || imp->now.image_hashed_to >= imp->image_total)
         && !(imp->stream && imp->expect_sha256[0] != '\0');
}

static int
record_target (struct qimport *q, struct error *err)
{
  snprintf (q->imp.target_identity, sizeof q->imp.target_identity, "%s",
            target_identity (q->target)->text);
  return journal_set_target (q->journal, q->imp.no, q->imp.target_identity, err);
}

/* What stands where the marker will, and must come back there. */
static int
store_held (struct qimport *q, struct error *err)
{
  OWN_MEM uint8_t *bytes = malloc (TARGET_HELD_SIZE);
  struct held_piece held = { 0, bytes, TARGET_HELD_SIZE };

  if (bytes == NULL)
    return fail_memory (err, "the first block of the target");
  if (!target_held_changed (q->target, 0, bytes))
    return 0;
  return journal_hold_back (q->journal, q->imp.no, &held, 1, err);
}

int
import_claim_target (struct qimport *q, struct error *err)
{
  if (target_is_claimed (q->target) && q->imp.target_identity[0] != '\0')
    return 0;
  if (record_target (q, err) == -1 || store_held (q, err) == -1
      || import_restore_held (q, err) == -1)
    return -1;
  return target_claim (q->target, err);
}

int
import_restore_held (struct qimport *q, struct error *err)
{
  OWN_MEM uint8_t *bytes = malloc (TARGET_HELD_SIZE);
  unsigned i;

  if (bytes == NULL)
    return fail_memory (err, "the first MiB of the device");
  for (i = 0; i < TARGET_HELD_PIECES && target_holds_back (q->target) > 0; i++) {
    int rc = journal_held (q->journal, q->imp.no, i, bytes, TARGET_HELD_SIZE, err);

    if (rc == 0)
      rc = target_held_restore (q->target, i, bytes, TARGET_HELD_SIZE, err);
    if (rc == -1)
      return -1;
  }
  return import_recall_amends (q, false, err);
}

/* The journal is older than the target, which a guest may have used since (J9). */
int
import_refuse_finished (struct qimport *q, struct error *err)
{
  return fail (
      err, ERR_TARGET_CHANGED,
      "%s: does not carry the marker of this import any more: it was finished, and this "
      "is an older copy of the journal, or somebody else wrote to it; nothing was "
      "written. `qimport forget %.8s`, then `qimport start --force` imports again",
      q->imp.target, q->imp.id);
}

/* *ALREADY: its first sector is the true one; nothing may be written to it any more. */
static int
reopen_target (struct qimport *q, bool *already, struct error *err)
{
  struct target_identity id;
  struct target_spec spec;

  *already = false;
  if (q->imp.target_identity[0] == '\0')
    return 0;
  snprintf (id.text, sizeof id.text, "%s", q->imp.target_identity);
  import_target_spec (q, &spec);
  if (target_reopen (&q->target, &spec, &id, already, err) == -1)
    return -1;
  return import_restore_held (q, err);
}

int
import_remember_options (struct qimport *q, struct error *err)
{
  struct journal_import *imp = &q->imp;

  if (options_save (q->options, imp->options, sizeof imp->options, err) == -1)
    return -1;
  return journal_set_options (q->journal, imp, err);
}

/* Was some of the image hashed in another way than GIVEN asks for, or not at all? */
static bool
is_late (const struct journal_import *imp, const char *given)
{
  if (!imp->sealed || imp->stream)
    return false;
  return !imp->hash_image
         || (imp->now.image_hashed_to > 0
             && checksum_text_algorithm (given)
                    != checksum_text_algorithm (imp->expect_sha256));
}

/* A checksum that is given only now holds from now on; but a digest of what went by unhashed
 * cannot be made any more. */
static int
expect_checksum (struct qimport *q, struct error *err)
{
  struct journal_import *imp = &q->imp;
  const char *given = q->options->checksum;

  if (given == NULL || strcmp (given, imp->expect_sha256) == 0)
    return 0;
  if (is_late (imp, given))
    return fail (err, ERR_USAGE,
                 "--checksum: this import did not hash its image with %s from the start; "
                 "`qimport resume --restart --checksum ALGO:HEX %.8s` begins anew and does",
                 hash_title (checksum_text_algorithm (given)), imp->id);
  snprintf (imp->expect_sha256, sizeof imp->expect_sha256, "%s", given);
  return import_remember_options (q, err);
}

/* 1: it is complete; another process may just have made it so. */
static int
hold (struct qimport *q, struct error *err)
{
  int rc;

  if (q->imp.now.state == IMPORT_COMPLETE)
    return 1;
  if (import_hold_options (q, err) == -1)
    return -1;
  rc = journal_hold (q->journal, &q->imp, err);
  q->standing.in_journal = rc == 0;
  return rc;
}

static int
is_complete (struct qimport *q, struct error *err)
{
  if (q->job == JOB_ENSURE) /* as it wanted: but is it the right one? */
    return PHASE_ENSURE;
  return fail (err, ERR_USAGE,
               "import %.8s is complete; `qimport audit %.8s` checks it, `qimport start` makes "
               "another",
               q->imp.id, q->imp.id);
}

/* What the sources are now, where the user or the server changed it. */
int
import_record_sources (struct qimport *q, struct error *err)
{
  unsigned k;

  if (q->image.validator_changed
      && journal_event (q->journal, q->imp.no, "source_changed",
                        "the validator changed, the bytes did not", err)
             == -1)
    return -1;
  if (!q->image.validator_changed && !q->options->restart && q->options->url == NULL)
    return 0;
  for (k = 0; k < q->image.n_layers; k++)
    if (journal_put_layer (q->journal, q->imp.no, k, &q->image.records[k], err) == -1)
      return -1;
  if (q->options->url == NULL)
    return 0;
  return import_mark_urls (q, err) == -1 ? -1 : import_remember_options (q, err);
}

/* Where it goes on. */
static int
after_resume (struct qimport *q, struct error *err)
{
  if (q->imp.stream && !q->image.stream) /* the server learned to honour ranges since */
    q->image.stream = true;
  if (q->options->restart && q->image.stream != q->imp.stream) {
    q->imp.stream = q->image.stream;
    q->imp.hash_image
        = q->imp.hash_image && !q->image.stream; /* a stream is hashed as it comes */
    if (journal_set_stream (q->journal, q->imp.no, q->image.stream, err) == -1)
      return -1;
  }
  if (q->image.stream && !q->imp.stream)
    return fail (
        err, q->options->stream ? ERR_USAGE : ERR_INTERRUPTED,
        "%s: does not honour ranges any more, but the import began with them; try again "
        "later, or `qimport resume --restart %.8s` reads it forward from the start",
        source_url (q->image.sources[0]), q->imp.id);
  return q->image.stream ? PHASE_STREAM : q->imp.sealed ? PHASE_TARGET : PHASE_MAP;
}

static bool
has_part_file (const struct qimport *q)
{
  return strcmp (q->imp.target_kind, "file") == 0 && !q->imp.keep_holes;
}

/* --restart: a device, or a file written in place, is ours by its marker, or free as at a
 * start. A part file is made anew, also where the old one is gone or was replaced; *REPLACE: in
 * the end it may replace what has the target's own name, which must be ours, or have been given
 * up with --force. */
static int
find_target (struct qimport *q, bool *replace, struct error *err)
{
  bool already = false;
  struct target_spec spec;
  int rc;

  if (!has_part_file (q)) {
    import_target_spec (q, &spec);
    *replace = false;
    return target_create (&q->target, &spec, err);
  }
  rc = reopen_target (q, &already, err);
  *replace = already || q->options->force || strstr (q->imp.target_identity, " over=") != NULL;
  if (rc == -1 && err->code == ERR_TARGET_BUSY)
    return -1;
  if (*replace || access (q->imp.target, F_OK) == -1)
    return 0;
  return rc == -1 ? -1
                  : fail (err, ERR_TARGET_EXISTS,
                          "%s appeared while the import was interrupted; move it away, or give "
                          "--force",
                          q->imp.target);
}

/* After the journal forgot it: what a crash leaves before then is an old part file, which
 * target_reopen empties, or none. */
static int
renew_target (struct qimport *q, bool replace, struct error *err)
{
  struct target_spec spec;

  if (!has_part_file (q)) {
    target_begin_anew (q->target);
    return import_claim_target (q, err);
  }
  target_close (q->target);
  q->target = NULL;
  import_target_spec (q, &spec);
  spec.force = replace;
  spec.renew = true;
  if (target_create (&q->target, &spec, err) == -1)
    return -1;
  return import_claim_target (q, err);
}

int
import_other_disk (const struct qimport *q, uint64_t now, uint64_t before, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: is another disk now, of %llu bytes instead of %llu (or in other layers); "
               "`qimport forget %.8s`, then `qimport start`",
               source_url (q->image.sources[0]), (unsigned long long)now,
               (unsigned long long)before, q->imp.id);
}

/* With --unallocated keep what stood under the part that was written is gone: only the same
 * image, by its strong tag, makes the disk that was asked for. */
static int
check_kept (struct qimport *q, const struct journal_import *before, struct error *err)
{
  struct journal_layer was;
  unsigned k;

  if (!before->keep_holes || before->target_identity[0] == '\0') /* nothing was written */
    return 0;
  for (k = 0; k < q->image.n_layers; k++) {
    const struct journal_layer *now = &q->image.records[k];

    if (journal_get_layer (q->journal, before->no, k, &was, err) == -1)
      return -1;
    if (now->etag[0] == '\0' || strncmp (now->etag, "W/", 2) == 0
        || strcmp (now->etag, was.etag) != 0 || now->length != was.length
        || memcmp (now->head_digest, was.head_digest, sizeof now->head_digest) != 0)
      return fail (err, ERR_TARGET_CHANGED,
                   "%s: holds some of the image that its import began with in place of what it "
                   "held (--unallocated keep), and %s is not known to be that image; put back "
                   "what it held, `qimport forget %.8s`, then `qimport start`",
                   q->imp.target, source_url (q->image.sources[k]), q->imp.id);
  }
  return 0;
}

/* --restart: what was written so far does not count.  Nothing is forgotten before the image is
 * known to be there; and it must fit the target, which stays.  A device holds what was written:
 * that it once read as zeros is no promise any more, for this run and for those after it. */
static int
restart (struct qimport *q, const struct journal_import *before, struct error *err)
{
  bool replace;

  if (!q->image.stream
      && (q->imp.virtual_size != before->virtual_size || q->image.n_layers != before->layers))
    return import_other_disk (q, q->imp.virtual_size, before->virtual_size, err);
  if (check_kept (q, before, err) == -1)
    return -1;
  options_void_promises (q->options);
  if (find_target (q, &replace, err) == -1 || import_remember_options (q, err) == -1
      || journal_unseal (q->journal, q->imp.no, err) == -1
      || journal_find (q->journal, q->imp.id, &q->imp, err) == -1
      || expect_checksum (q, err) == -1)
    return -1;
  return renew_target (q, replace, err);
}

/* The network first: only then is anything forgotten. */
static int
resume_anew (struct qimport *q, struct error *err)
{
  OWN_MEM struct journal_import *before = malloc (sizeof *before);

  if (before == NULL)
    return fail_memory (err, "an import");
  *before = q->imp;
  if (import_recall_sources (q, err) == -1 || import_open_image (q, false, err) == -1
      || restart (q, before, err) == -1 || start_check (q, err) == -1
      || import_record_sources (q, err) == -1)
    return -1;
  return after_resume (q, err);
}

/* A file put back from a backup has the same marker, but a guest may have written to it. */
static int
check_target (struct qimport *q, struct error *err)
{
  struct verify_spec v;

  import_verify_spec (q, &v);
  return q->target == NULL ? 0 : verify_target_samples (&v, err);
}

int
phase_resume (struct qimport *q, int timeout_ms, struct error *err)
{
  bool already;
  int rc;

  (void)timeout_ms;
  if (q->imp.no == 0 && import_find (q->journal, q->given.id, &q->imp, err) == -1)
    return -1;
  rc = hold (q, err);
  if (rc != 0)
    return rc == -1 ? -1 : is_complete (q, err);
  if (q->options->restart)
    return resume_anew (q, err);
  if (expect_checksum (q, err) == -1 || reopen_target (q, &already, err) == -1
      || (already && !all_committed (&q->imp) && import_refuse_finished (q, err) == -1)
      || start_check (q, err) == -1 || check_target (q, err) == -1)
    return -1;
  if (all_committed (&q->imp) && !q->doubt.ask_source) {
    q->options->verify = q->options->verify || (already && q->imp.digests == DIGESTS_ALL);
    if (!already && import_claim_target (q, err) == -1)
      return -1;
    return PHASE_FINISH;
  }
  if (import_recall_sources (q, err) == -1 || import_open_same (q, err) == -1
      || import_record_sources (q, err) == -1)
    return -1;
  return after_resume (q, err);
}
