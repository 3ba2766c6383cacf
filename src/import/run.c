/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * run: the phases of an import, in their order (import.h).  What a phase decides is in the
 * journal before the next begins; here is the only place that knows what comes next.
 */
#include "import/import.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { LOOK_MS = 100, LENGTH_FREE = 1 << 30, WRAPPED_COPY = 16 << 20 };

void
import_target_spec (const struct qimport *q, struct target_spec *spec)
{
  const struct qimport_options *o = q->options;

  memset (spec, 0, sizeof *spec);
  spec->path = q->imp.target[0] != '\0' ? q->imp.target : q->target_path;
  spec->virtual_size = q->imp.virtual_size;
  spec->import_uuid = q->imp.id;
  spec->begun_at = q->imp.started_at;
  spec->known
      = (struct target_mark){ (uint32_t)q->imp.now.target_run, q->imp.now.target_epoch };
  spec->force = o->force;
  spec->in_place = o->unallocated_keep;
  spec->zero_promised = o->target_is_zero;
  spec->preallocate = o->preallocate;
  spec->same_stays = q->renews;
  spec->journal_path = journal_path (q->journal);
  spec->source_paths = (const char *const *)q->local_sources;
  spec->retry_time_ms = (int64_t)o->retry_time_s * 1000;
  spec->connect_time_ms = q->job == JOB_START && o->retry_time_s > FIRST_TIME_S
                              ? FIRST_TIME_S * 1000
                              : spec->retry_time_ms;
  spec->stop = &q->stop;
  spec->insecure = o->insecure;
}

/* ---- Start --------------------------------------------------------------------------------
 */

/* The target has an import already that is not complete: with force it goes, unless somebody
 * works on it. */
static int
replace_unfinished (struct qimport *q, const struct journal_import *old, bool now,
                    struct error *err)
{
  if (old->now.holder[0] == '\0' && q->options->force) {
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

/* Is the target free, as far as can be said?  NOW: it is about to be begun. */
static int
check_target (struct qimport *q, bool now, struct error *err)
{
  char canonical[PATH_MAX] = "", shown[512];
  enum target_kind kind;
  struct target_spec spec;
  int rc;

  import_target_spec (q, &spec);
  rc = target_preflight (&spec, &kind, canonical, err);
  if (replace_old (q, &spec, canonical, now && rc == 0, err) == -1 || rc == -1)
    return -1;
  if (strlen (canonical) >= sizeof q->imp.target)
    return fail (err, ERR_TARGET_REFUSED, "%s: its path is too long; choose a shorter one",
                 escape_text (shown, sizeof shown, q->target_path, strlen (q->target_path)));
  if (!text_is_printable (canonical)) /* a resume goes by what the journal has */
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: its path has control characters, or bytes that are no UTF-8, which the "
                 "journal cannot keep; choose another name",
                 escape_text (shown, sizeof shown, canonical, strlen (canonical)));
  snprintf (q->imp.target, sizeof q->imp.target, "%s", canonical);
  snprintf (q->imp.target_kind, sizeof q->imp.target_kind, "%s", target_kind_word (kind));
  return 0;
}

static void
warn_space (struct qimport *q)
{
  struct target_spec spec;
  char need[24], have[24];
  uint64_t free_bytes;

  import_target_spec (q, &spec);
  free_bytes = target_free_space (&spec);
  if (q->imp.guest_total <= free_bytes || q->imp.image_total <= free_bytes)
    return;
  import_warn (q, "%s: %s will be needed, %s are free; if it gets full, make space and resume",
               q->imp.target, format_size (need, q->imp.image_total),
               format_size (have, free_bytes));
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
  if (check_target (q, true, err) == -1 /* now that its size is known */
      || import_mark_urls (q, err) == -1
      || options_save (o, imp->options, sizeof imp->options, err) == -1
      || journal_begin (q->journal, imp, q->image.records, err) == -1)
    return -1;
  q->in_journal = q->fresh = true;
  return import_tell_early (q, err);
}

int
phase_start (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (check_target (q, false, err) == -1 || import_checksums (q, err) == -1
      || import_open_image (q, false, err) == -1)
    return -1;
  if (q->image.stream)
    return PHASE_STREAM;
  return import_begin (q, err) == -1 ? -1 : PHASE_MAP;
}

/* ---- Map ----------------------------------------------------------------------------------
 */

struct mapping {
  struct qimport *q;
  struct journal_map *map;
  uint64_t stored; /* bytes of layer 0 that extents use, shared ones as often as they do */
  uint64_t tables; /* and its tables */
};

static int
map_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct mapping *m = ctx;

  if (e->layer == 0)
    m->stored += e->stored;
  if (atomic_load (&m->q->stop))
    return fail (err, ERR_INTERRUPTED, "interrupted while the map was read");
  return journal_map_add (m->map, e, err);
}

static int
map_table (void *ctx, uint32_t layer, struct host_range r, const char *what, struct error *err)
{
  struct mapping *m = ctx;

  if (layer == 0)
    m->tables += r.len;
  if (layer == 0 && m->q->options->mirror.item[0] != NULL
      && image_note_table (&m->q->image, r, err) == -1)
    return -1;
  return journal_map_table (m->map, layer, r, what, err);
}

/* J7: for --checksum every MiB of the image's file has a row, also where nothing needs it, and
 * how long it is, is what a server says.  Each guest disk in it may take its size twice, for
 * what is not in use any more; and 1 GiB besides. */
static int
check_length (const struct qimport *q, struct error *err)
{
  const struct map_layer *l = &q->image.layers[0];
  uint64_t len = l->file_len, most;

  if (__builtin_mul_overflow (2 * (uint64_t)(l->header.snapshots + 1), l->header.virtual_size,
                              &most))
    most = INT64_MAX;
  most = min_u64 (most, 2 * min_u64 (q->options->max_size, INT64_MAX / 4)) + LENGTH_FREE;
  if (q->options->checksum == NULL || l->raw || len <= most)
    return 0;
  return fail (err, ERR_IMAGE_TOO_LARGE,
               "%s: the file has %" PRIu64 " bytes, and no more than %" PRIu64
               " of a disk of %" PRIu64
               " are hashed; import it without --checksum, if that is right",
               source_url (q->image.sources[0]), len, most, l->header.virtual_size);
}

/* The image's own digest is computed where all of the file is fetched anyway, or nearly. */
static int
decide_hash (struct qimport *q, struct mapping *m, struct error *err)
{
  uint64_t len = q->image.layers[0].file_len, least = len - len / 16, needed;

  q->imp.hash_image = q->options->checksum != NULL;
  if (q->imp.hash_image || !q->options->digest || m->stored + m->tables < least)
    return 0;
  if (journal_map_needs (m->map, &needed, err) == -1)
    return -1;
  q->imp.hash_image = needed + m->tables >= least;
  return 0;
}

/* Read the tables into M's map. */
static int
read_map (struct mapping *m, struct error *err)
{
  struct qimport *q = m->q;
  const struct map_sink sink = { map_extent, map_table, m, q->imp.keep_holes };

  return map_walk (q->image.layers, q->image.n_layers, q->imp.virtual_size, &sink, err);
}

void
import_verify_spec (struct qimport *q, struct verify_spec *v)
{
  *v = (struct verify_spec){ .imp = &q->imp,
                             .journal_path = journal_path (q->journal),
                             .image = &q->image,
                             .target = q->target };
}

static int
prove_mirrors (struct qimport *q, struct error *err)
{
  struct verify_spec v;

  import_verify_spec (q, &v);
  return q->options->mirror.item[0] == NULL ? 0 : verify_mirrors (&v, err);
}

int
import_map_again (struct qimport *q, struct error *err)
{
  OWN (journal_map) map = NULL;
  struct mapping m = { .q = q };

  if (import_parse_image (q, err) == -1
      || journal_map_begin (&map, q->journal, &q->imp, q->image.records, err) == -1)
    return -1;
  m.map = map;
  if (read_map (&m, err) == -1 || journal_map_seal (map, &q->imp, err) == -1)
    return -1;
  return prove_mirrors (q, err);
}

/* A tag tells apart only what one URL has served.  Where there are mirrors the tables are
 * wanted in any case.  (A stream: as it comes.) */
int
import_check_identity (struct qimport *q, bool validator_changed, struct error *err)
{
  struct verify_spec v;
  bool proven = !q->image.unproven && !validator_changed && q->options->url == NULL;

  if (!q->imp.sealed || q->image.stream || (proven && q->options->mirror.item[0] == NULL))
    return 0;
  if (import_map_again (q, err) == -1)
    return -1;
  import_verify_spec (q, &v);
  return proven ? 0 : verify_source_samples (&v, err);
}

int
phase_map (struct qimport *q, int timeout_ms, struct error *err)
{
  OWN (journal_map) map = NULL;
  struct mapping m = { .q = q };

  (void)timeout_ms;
  if (check_length (q, err) == -1
      || journal_map_begin (&map, q->journal, &q->imp, q->image.records, err) == -1)
    return -1;
  journal_map_stop_when (map, &q->stop_check);
  m.map = map;
  if (read_map (&m, err) == -1 || decide_hash (q, &m, err) == -1)
    return -1;
  if (journal_map_seal (map, &q->imp, err) == -1 || prove_mirrors (q, err) == -1)
    return -1;
  free (q->extents);
  q->extents = journal_map_keep (map, &q->n_extents);
  warn_space (q);
  return PHASE_TARGET;
}

/* ---- Target, copy, finish ------------------------------------------------------------------
 */

static int
create_target (struct qimport *q, struct error *err)
{
  struct target_spec spec;
  int rc;

  if (q->target != NULL)
    return import_claim_target (q, err);
  import_target_spec (q, &spec);
  if (q->fresh)
    rc = target_create (&q->target, &spec, err);
  else
    rc = target_reopen (&q->target, &spec, NULL, NULL, err);
  return rc == -1 ? -1 : import_claim_target (q, err);
}

/* The rest is for what unpacks. */
static uint64_t
copy_memory (const struct qimport *q)
{
  uint64_t all = q->options->memory;

  return q->image.wrapper == WRAPPER_NONE ? all
                                          : max_u64 (all / 4, min_u64 (all, WRAPPED_COPY));
}

int
import_open_copy (struct qimport *q, struct error *err)
{
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  struct copy_spec spec = {
    .journal = q->journal,
    .imp = &q->imp,
    .formats = q->image.formats,
    .extents = q->extents,
    .n_extents = q->n_extents,
    .sources = q->image.stream ? NULL : q->image.sources,
    .connections = (unsigned)q->options->connections,
    .workers = (unsigned)(q->options->workers > 0 ? q->options->workers
                          : cpus > 0              ? cpus
                                                  : 1),
    .memory = copy_memory (q),
    .commit_interval_ms = (int64_t)q->options->commit_interval_ms,
    .deadline_ms = q->deadline,
    .stop = &q->stop,
    .may_commit = &q->may_commit,
    .kept = q->kept,
    .check_over = &q->check_done,
  };

  if (create_target (q, err) == -1)
    return -1;
  spec.target = q->target;
  if (copy_open (&q->copy, &spec, err) == -1)
    return -1;
  q->fresh = false;
  return 0;
}

int
phase_target (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (import_open_copy (q, err) == -1)
    return -1;
  return PHASE_COPY;
}

int
import_check_failed (struct qimport *q, struct error *err)
{
  if (!atomic_load (&q->check_done) || q->check_result == 0)
    return 0;
  *err = q->check_error;
  return -1;
}

static int
join_check (struct qimport *q, struct error *err)
{
  if (!q->checker_runs)
    return 0;
  pthread_join (q->checker, NULL);
  q->checker_runs = false;
  return import_check_failed (q, err);
}

/* Waits for the check, for at most TIMEOUT_MS and not long, for a stop wakes nobody. */
static bool
check_is_over (struct qimport *q, int timeout_ms)
{
  int64_t until = monotonic_ms () + (timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
  struct timespec t = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
  bool over;

  pthread_mutex_lock (&q->lock);
  over = !q->checker_runs || atomic_load (&q->check_done);
  if (!over)
    pthread_cond_timedwait (&q->check_over, &q->lock, &t);
  pthread_mutex_unlock (&q->lock);
  return over;
}

static bool
may_wait (const struct qimport *q)
{
  return !atomic_load (&q->stop) && (q->deadline == 0 || monotonic_ms () < q->deadline);
}

void
import_prefer_check (struct qimport *q, struct error *err)
{
  int status = error_status (err->code);
  struct error why;

  if (status != QIMPORT_IMAGE && status != QIMPORT_SOURCE && status != QIMPORT_USAGE
      && status != QIMPORT_INTERNAL && err->code != ERR_TARGET_CHANGED)
    return;
  while (!check_is_over (q, LOOK_MS))
    if (!may_wait (q))
      return;
  if (join_check (q, &why) == -1 && why.code != ERR_INTERRUPTED)
    *err = why;
}

int
phase_copy (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc;

  if (import_check_failed (q, err) == -1)
    return -1;
  rc = copy_step (q->copy, timeout_ms, err);
  if (rc == 0)
    return PHASE_FINISH;
  if (rc == -1)
    return import_may_prove (q, err) ? PHASE_PROVE : -1;
  return PHASE_COPY;
}

/* The image's checksum as text, or "" where it was not made. */
static int
image_checksum (struct qimport *q, char text[HASH_TEXT], struct error *err)
{
  const struct journal_import *imp = &q->imp;
  struct checksum sum;
  struct hash h;

  snprintf (text, HASH_TEXT, "%s", q->stream_checksum);
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
  return journal_set_target (q->journal, q->imp.no, q->imp.target_identity, err);
}

/* While the journal still knows the import, so that no such file is left over. */
static void
forget_kept (struct qimport *q)
{
  OWN_MEM char *path
      = q->imp.stream ? import_kept_path (&q->imp, q->options->spool_dir, q->journal) : NULL;

  if (q->kept != NULL)
    kept_remove (q->kept);
  else if (path != NULL)
    kept_remove_at (path);
}

int
phase_finish (struct qimport *q, int timeout_ms, struct error *err)
{
  char checksum[HASH_TEXT];
  int rc;

  if (!check_is_over (q, timeout_ms))
    return PHASE_FINISH;
  if (join_check (q, err) == -1 || image_checksum (q, checksum, err) == -1
      || check_checksum (q, checksum, err) == -1)
    return -1;
  rc = import_verify (q, timeout_ms, err);
  if (rc != 0)
    return rc == -1 ? -1 : PHASE_FINISH;
  image_tell_mirrors (&q->image);
  if (settle_journal (q, err) == -1 || target_finish (q->target, err) == -1)
    return -1;
  forget_kept (q);
  if (journal_complete (q->journal, q->imp.no, checksum, err) == -1)
    return -1;
  import_update_progress (q);
  copy_close (q->copy);
  q->copy = NULL;
  kept_close (q->kept);
  q->kept = NULL;
  target_close (q->target);
  q->target = NULL;
  q->in_journal = false;
  return PHASE_OVER;
}

/* ---- Leaving ------------------------------------------------------------------------------
 */

/* What cannot be committed any more is done again at resume; the first reason is the one that
 * is told. */
void
import_stop_copy (struct qimport *q)
{
  struct error ignored;

  if (q->copy == NULL)
    return;
  copy_stop (q->copy, &ignored);
  import_update_progress (q);
  copy_close (q->copy);
  q->copy = NULL;
}

void
import_leave (struct qimport *q, const struct error *why)
{
  bool passing = error_status (why->code) == QIMPORT_INTERRUPTED;
  struct error ignored;

  q->stop_check = true;
  import_stop_audit (q);
  import_close_stream (q);
  import_stop_copy (q);
  if (q->checker_runs)
    pthread_join (q->checker, NULL);
  q->checker_runs = false;
  image_tell_mirrors (&q->image);
  /* In this order: while the journal knows the import, its part file is there. */
  if (q->in_journal && q->fresh && !passing
      && journal_discard (q->journal, q->imp.no, &ignored) == 0) {
    target_discard (q->target);
    q->target = NULL;
    forget_kept (q);
  } else if (q->in_journal)
    journal_release (q->journal, q->imp.no, passing ? IMPORT_INTERRUPTED : IMPORT_FAILED, why,
                     &ignored);
  /* what cannot be unpacked, or belongs to no import, is of no use for a resume */
  if (q->kept != NULL && (q->imp.no == 0 || error_status (why->code) == QIMPORT_IMAGE))
    kept_remove (q->kept);
  q->in_journal = false;
  kept_close (q->kept);
  q->kept = NULL;
  target_close (q->target);
  q->target = NULL;
}
