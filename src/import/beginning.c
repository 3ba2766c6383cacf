/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * beginning: is the target free, and the image there?  Then the import is begun in the journal.
 */
#include "import/import.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void
import_target_spec (const struct qimport *q, struct target_spec *spec)
{
  const struct qimport_options *o = q->options;

  memset (spec, 0, sizeof *spec);
  spec->path = q->imp.target[0] != '\0' ? q->imp.target : q->given.target_path;
  spec->virtual_size = q->imp.virtual_size;
  spec->file.grows
      = q->imp.stream && !q->imp.sealed && strncmp (q->imp.format_features, "raw", 3) == 0;
  spec->file.least = q->imp.now.guest_committed;
  spec->file.size = o->keep_format ? q->image.layers[0].file_len : align_up (o->size, SECTOR);
  spec->import_uuid = q->imp.id;
  spec->begun_at = q->imp.started_at;
  spec->known
      = (struct target_mark){ (uint32_t)q->imp.now.target_run, q->imp.now.target_epoch };
  spec->force = o->force;
  spec->replaces = q->standing.replaces[0] != '\0' ? q->standing.replaces : NULL;
  spec->in_place = o->unallocated_keep;
  spec->zero_promised = o->target_is_zero;
  spec->preallocate = o->preallocate;
  spec->same_stays = q->standing.renews;
  spec->journal_path = journal_path (q->journal);
  spec->source_paths = (const char *const *)q->given.local_sources;
  spec->retry_time_ms = (int64_t)o->retry_time_s * 1000;
  spec->connect_time_ms = q->job == JOB_START && o->retry_time_s > FIRST_TIME_S
                              ? FIRST_TIME_S * 1000
                              : spec->retry_time_ms;
  spec->stop = &q->stops.asked;
  spec->insecure = o->insecure;
}

/* The target has an import already that is not complete: with force it goes, unless somebody
 * works on it. */
static int
replace_unfinished (struct qimport *q, struct journal_import *old, bool now, struct error *err)
{
  if (old->now.holder[0] == '\0'
      && (q->options->force || strcmp (old->id, q->standing.replaces) == 0)) {
    if (!now)
      return 0;
    import_warn (q, "%s: replaces the interrupted import %.8s", old->target, old->id);
    return import_forget (q->journal, old, err);
  }
  if (old->now.holder[0] != '\0')
    return fail (err, ERR_IMPORT_HELD, "%s: is being imported right now by %s (import %.8s)",
                 old->target, old->now.holder, old->id);
  return fail (err, ERR_TARGET_EXISTS,
               "%s: has an interrupted import; `qimport resume %.8s` goes on with it, "
               "`qimport forget %.8s` drops it, and start --force replaces it",
               old->target, old->id, old->id);
}

static int
replace_found (struct qimport *q, const char *name, bool now, struct error *err)
{
  OWN_MEM struct journal_import *old = malloc (sizeof *old);
  struct error unheard;

  if (old == NULL)
    return fail_memory (err, "an import");
  if (journal_find (q->journal, name, old, &unheard) == -1 || old->now.state == IMPORT_COMPLETE
      || strcmp (old->id, q->imp.id) == 0)
    return 0;
  return replace_unfinished (q, old, now, err);
}

/* Was it to leave nothing, and somebody killed it? */
static bool
is_abandoned (const struct journal_import *imp)
{
  struct qimport_options *o
      = imp->now.state == IMPORT_COMPLETE || imp->now.holder[0] != '\0' ? NULL : options_new ();
  struct error unheard;
  bool once = o != NULL && options_recall (o, imp->options, &unheard) == 0 && o->once;

  options_close (o);
  return once;
}

/* What a caller that cannot resume left of the target is no obstacle to the next. */
static int
note_abandoned (struct qimport *q, struct target_spec *spec, struct error *err)
{
  OWN_MEM struct journal_import *old = malloc (sizeof *old);
  char canonical[PATH_MAX];
  struct error unheard;

  if (old == NULL)
    return fail_memory (err, "an import");
  target_canonical (spec->path, canonical);
  if (canonical[0] != '\0' && journal_find (q->journal, canonical, old, &unheard) == 0
      && is_abandoned (old))
    snprintf (q->standing.replaces, sizeof q->standing.replaces, "%s", old->id);
  import_target_spec (q, spec);
  return 0;
}

/* Where this journal has them: the import that the target was begun for by another name, as its
 * marker says, and the one that has its name. */
static int
replace_old (struct qimport *q, const struct target_spec *spec, const char *canonical, bool now,
             struct error *err)
{
  char marked[37];

  if (canonical[0] == '\0')
    return 0;
  target_marked_by (spec, marked);
  if (marked[0] != '\0' && replace_found (q, marked, now, err) == -1)
    return -1;
  return replace_found (q, canonical, now, err);
}

int
import_check_size (const struct qimport *q, struct error *err)
{
  uint64_t size = align_up (q->options->size, SECTOR);

  if (size == 0 || size >= q->imp.virtual_size)
    return 0;
  return fail (err, ERR_TARGET_TOO_SMALL,
               "%s: the disk has %llu bytes, and is not cut to the %llu of --size; give at "
               "least as many, or leave it out",
               q->imp.target, (unsigned long long)q->imp.virtual_size,
               (unsigned long long)size);
}

/* What lies behind the disk is the user's. */
static void
tell_size (struct qimport *q)
{
  char detail[128];

  if (q->options->size == 0)
    return;
  snprintf (detail, sizeof detail,
            "the target has %llu bytes or more, the disk at its start %llu",
            (unsigned long long)align_up (q->options->size, SECTOR),
            (unsigned long long)q->imp.virtual_size);
  import_event (q, "sized", detail);
}

int
import_check_target (struct qimport *q, bool now, struct error *err)
{
  char canonical[PATH_MAX] = "", shown[512];
  enum target_kind kind;
  struct target_spec spec;
  int rc;

  import_target_spec (q, &spec);
  if (!now && note_abandoned (q, &spec, err) == -1)
    return -1;
  rc = target_preflight (&spec, &kind, canonical, err);
  if (replace_old (q, &spec, canonical, now && rc == 0, err) == -1 || rc == -1)
    return -1;
  if (strlen (canonical) >= sizeof q->imp.target)
    return fail (
        err, ERR_TARGET_REFUSED, "%s: its path is too long; choose a shorter one",
        escape_text (shown, sizeof shown, q->given.target_path, strlen (q->given.target_path)));
  if (!text_is_printable (canonical)) /* a resume goes by what the journal has */
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: its path has control characters, or bytes that are no UTF-8, which the "
                 "journal cannot keep; choose another name",
                 escape_text (shown, sizeof shown, canonical, strlen (canonical)));
  snprintf (q->imp.target, sizeof q->imp.target, "%s", canonical);
  snprintf (q->imp.target_kind, sizeof q->imp.target_kind, "%s", target_kind_word (kind));
  return 0;
}

int
import_begin (struct qimport *q, struct error *err)
{
  const struct qimport_options *o = q->options;
  struct journal_import *imp = &q->imp;

  imp->stream = q->image.stream;
  imp->keep_holes = o->unallocated_keep;
  imp->digests = o->digest ? DIGESTS_ALL : DIGESTS_SAMPLE;
  imp->hash_image
      = o->checksum != NULL && !q->image.stream; /* a stream is hashed as it comes */
  snprintf (imp->expect_sha256, sizeof imp->expect_sha256, "%s",
            o->checksum ? o->checksum : "");
  snprintf (imp->snapshot, sizeof imp->snapshot, "%s", o->snapshot ? o->snapshot : "");
  if (import_check_size (q, err) == -1
      || import_check_target (q, true, err) == -1 /* its size is known now */
      || import_mark_urls (q, err) == -1
      || options_save (o, imp->options, sizeof imp->options, err) == -1
      || journal_begin (q->journal, imp, q->image.records, err) == -1)
    return -1;
  q->standing.in_journal = q->standing.fresh = q->standing.began = true;
  import_warn_name (q);
  if (import_tell_early (q, err) == -1)
    return -1;
  tell_size (q);
  return 0;
}

int
phase_start (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (import_check_keeping (q, err) == -1 || import_check_target (q, false, err) == -1
      || import_checksums (q, err) == -1)
    return -1;
  if (import_open_image (q, false, err) == -1)
    return import_goes_forward (q, err) ? PHASE_FORWARD : -1;
  if (q->image.stream)
    return PHASE_STREAM;
  return import_begin (q, err) == -1 ? -1 : PHASE_MAP;
}

bool
import_goes_forward (struct qimport *q, const struct error *err)
{
  OWN_MEM struct journal_import *now = NULL;
  struct error ignored;

  if (err->code != ERR_SOURCE_CONTRADICTS || q->options->stream || q->image.n_layers != 1
      || q->image.sources[0] == NULL || !source_ranges_failed (q->image.sources[0])
      || q->options->mirror.item[0] != NULL || q->standing.in_journal != q->standing.began)
    return false;
  if (q->standing.in_journal) {
    import_stop_copy (q);
    now = malloc (sizeof *now);
    if (now == NULL || journal_find (q->journal, q->imp.id, now, &ignored) == -1
        || now->now.guest_committed > 0)
      return false;
  }
  import_warn (q, "%s; it is read from its start, as with --stream", err->text);
  return true;
}

/* As if it had not been begun. */
int
phase_forward (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  import_stop_copy (q);
  if (q->standing.in_journal && journal_forget (q->journal, q->imp.no, err) == -1)
    return -1;
  q->standing.in_journal = q->standing.fresh = q->standing.began = false;
  target_discard (q->target);
  q->target = NULL;
  import_close_image (q);
  free (q->map.extents);
  q->map = (struct made_map){ 0 };
  memset (&q->imp, 0, sizeof q->imp);
  q->options->stream = true;
  return PHASE_START;
}
