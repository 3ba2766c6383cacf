/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapping: the map is read and sealed (J2); or read again, and held against the sealed one.
 */
#include "import/several.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"

enum { LENGTH_FREE = 1 << 30 };

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
  if (atomic_load (&m->q->stops.asked))
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
  if (q->options->checksum == NULL || l->raw || q->options->keep_format || len <= most)
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

/* Read the tables into M's map, of a disk of SIZE bytes. */
static int
read_tables (struct mapping *m, uint64_t size, struct error *err)
{
  struct qimport *q = m->q;
  const struct map_sink sink = { map_extent, map_table, m, .keep_holes = q->imp.keep_holes };

  return map_walk (q->image.layers, q->image.n_layers, size, &sink, err);
}

/* --keep-format: the tables within it are checked as those of every image; their map is not
 * stored, but known again by its digest. */
static int
check_tables (struct qimport *q, uint8_t digest[DIGEST_SIZE], struct error *err)
{
  OWN_MEM struct journal_import *disk = malloc (sizeof *disk);
  OWN (journal_map) map = NULL;
  struct mapping m = { .q = q };

  if (disk == NULL)
    return fail_memory (err, "the map");
  *disk = q->imp;
  disk->virtual_size = q->image.layers[0].disk.virtual_size;
  if (journal_map_begin (&map, q->journal, disk, q->image.records, err) == -1)
    return -1;
  m.map = map;
  return read_tables (&m, disk->virtual_size, err) == -1
             ? -1
             : journal_map_digest (map, digest, err);
}

static int
check_kept_tables (struct qimport *q, struct error *err)
{
  uint8_t digest[DIGEST_SIZE];

  if (!q->options->keep_format)
    return 0;
  if (check_tables (q, digest, err) == -1)
    return -1;
  return q->imp.sealed ? import_same_tables (q, digest, err)
                       : import_remember_tables (q, digest, err);
}

static int
read_map (struct mapping *m, struct error *err)
{
  const struct map_sink sink = { .extent = map_extent, .ctx = m };
  struct qimport *q = m->q;
  struct map_layer file = q->image.layers[0];

  if (!q->options->keep_format)
    return read_tables (m, q->imp.virtual_size, err);
  file.raw = true;
  file.disk.virtual_size = q->imp.virtual_size;
  return map_walk (&file, 1, q->imp.virtual_size, &sink, err);
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
  return q->options->mirror.item[0] == NULL || q->doubt.ask_source ? 0
                                                                   : verify_mirrors (&v, err);
}

int
import_map_again (struct qimport *q, struct error *err)
{
  OWN (journal_map) map = NULL;
  struct mapping m = { .q = q };

  if (import_parse_image (q, err) == -1 || check_kept_tables (q, err) == -1
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
phase_map (struct qimport *q, int timeout_ms, struct error *err)
{
  OWN (journal_map) map = NULL;
  struct mapping m = { .q = q };

  (void)timeout_ms;
  if (check_length (q, err) == -1 || check_kept_tables (q, err) == -1
      || journal_map_begin (&map, q->journal, &q->imp, q->image.records, err) == -1)
    return -1;
  journal_map_stop_when (map, &q->stops.check);
  m.map = map;
  if (read_map (&m, err) == -1)
    return import_goes_forward (q, err) ? PHASE_FORWARD : -1;
  if (decide_hash (q, &m, err) == -1)
    return -1;
  if (journal_map_seal (map, &q->imp, err) == -1 || prove_mirrors (q, err) == -1)
    return -1;
  free (q->map.extents);
  q->map.extents = journal_map_keep (map, &q->map.n);
  warn_space (q);
  return import_is_carrier (q) ? PHASE_DEAL : PHASE_TARGET;
}
