/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * no-journal: the journal's room as if there were none, to be linked in its place: the map of
 * one import is kept in memory, nothing is recorded, nothing can be resumed.  What an import
 * takes less with it is what the journal costs (bench/import.c).
 *
 * The segments are those that the journal makes, so that the rest of the work is the same.
 * Tables are not looked at, and nothing is checked: an image that is damaged is not for this.
 */
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

/* One import a process. */
struct journal {
  struct journal_layer *layers;
};

struct journal_map {
  struct journal *j;
  bool hash_image, keep_holes;
};

struct journal_reader {
  char none;
};

/* An array that grows. */
struct rows {
  char *row;
  size_t n, cap;
};

static struct rows extents, unsorted, zeros, segments;

static int
add (struct rows *rows, const void *row, size_t size, struct error *err)
{
  if (rows->n == rows->cap) {
    size_t cap = rows->cap == 0 ? 1024 : 2 * rows->cap;
    char *more = realloc (rows->row, cap * size);

    if (more == NULL)
      return fail_memory (err, "the map");
    rows->row = more;
    rows->cap = cap;
  }
  memcpy (rows->row + rows->n++ * size, row, size);
  return 0;
}

/* Up to MAX rows from the I-th on; how many. */
static size_t
copy (const struct rows *rows, size_t size, uint64_t i, void *out, size_t max)
{
  size_t n = i >= rows->n ? 0 : (size_t)min_u64 (rows->n - i, max);

  if (n > 0)
    memcpy (out, rows->row + i * size, n * size);
  return n;
}

static void *
row_at (const struct rows *rows, size_t size, size_t i)
{
  return rows->row + i * size;
}

/* The last row, or NULL. */
static void *
last_row (const struct rows *rows, size_t size)
{
  return rows->n == 0 ? NULL : row_at (rows, size, rows->n - 1);
}

/* ---- The import -------------------------------------------------------------------------- */

int
journal_open (struct journal **out, const char *path, enum journal_mode mode, struct error *err)
{
  (void)path;
  (void)mode;
  *out = calloc (1, sizeof **out);
  return *out == NULL ? fail_memory (err, "no journal") : 0;
}

void
journal_close (struct journal *j)
{
  if (j != NULL)
    free (j->layers);
  free (j);
  free (extents.row);
  free (unsorted.row);
  free (zeros.row);
  free (segments.row);
}

const char *
journal_path (const struct journal *j)
{
  (void)j;
  return "/no/journal";
}

int
journal_begin (struct journal *j, struct journal_import *imp,
               const struct journal_layer *layers, struct error *err)
{
  j->layers = calloc (imp->layers, sizeof *layers);
  if (j->layers == NULL)
    return fail_memory (err, "layers");
  memcpy (j->layers, layers, imp->layers * sizeof *layers);
  imp->no = 1;
  memcpy (imp->id, "00000000-0000-4000-8000-000000000000", sizeof imp->id);
  return 0;
}

int
journal_find (struct journal *j, const char *id, struct journal_import *out, struct error *err)
{
  (void)j;
  (void)id;
  (void)out;
  return fail (err, ERR_NO_SUCH_IMPORT, "there is no journal");
}

int
journal_get_layer (struct journal *j, int64_t no, unsigned layer, struct journal_layer *out,
                   struct error *err)
{
  (void)no;
  (void)err;
  *out = j->layers[layer];
  return 0;
}

const char *
import_state_word (enum import_state s)
{
  (void)s;
  return "copying";
}

/* ---- The map ----------------------------------------------------------------------------- */

int
journal_map_begin (struct journal_map **out, struct journal *j,
                   const struct journal_import *imp, const struct journal_layer *layers,
                   struct error *err)
{
  (void)layers;
  *out = calloc (1, sizeof **out);
  if (*out == NULL)
    return fail_memory (err, "the map");
  (*out)->j = j;
  (*out)->keep_holes = imp->keep_holes;
  return 0;
}

void
journal_map_close (struct journal_map *m)
{
  free (m);
}

void
journal_map_stop_when (struct journal_map *m, const atomic_bool *stop)
{
  (void)m;
  (void)stop;
}

/* Does E go on where LAST ends? */
static bool
continues (const struct extent *last, const struct extent *e)
{
  return last->kind == e->kind && last->layer == e->layer && e->kind != EXTENT_COMPRESSED
         && extent_guest_end (last) == e->guest.v
         && (e->kind != EXTENT_DATA || extent_host_end (last) == e->host.v);
}

int
journal_map_add (struct journal_map *m, const struct extent *e, struct error *err)
{
  bool stored = e->kind == EXTENT_DATA || e->kind == EXTENT_COMPRESSED;
  struct rows *rows = stored ? &unsorted : &zeros;
  struct extent *last = last_row (rows, sizeof *last);

  if (e->kind == EXTENT_HOLE && m->keep_holes)
    return 0;
  if (last == NULL || !continues (last, e))
    return add (rows, e, sizeof *e, err);
  last->len += e->len;
  last->stored += e->stored;
  return 0;
}

/* The images of the bench share nothing. */
int
journal_map_needs (struct journal_map *m, uint64_t *bytes, struct error *err)
{
  (void)m;
  (void)err;
  *bytes = INT64_MAX;
  return 0;
}

int
journal_map_table (struct journal_map *m, uint32_t layer, struct host_range r, const char *what,
                   struct error *err)
{
  (void)m;
  (void)layer;
  (void)r;
  (void)what;
  (void)err;
  return 0;
}

static int
by_host (const void *a, const void *b)
{
  const struct extent *x = a, *y = b;

  if (x->layer != y->layer)
    return x->layer < y->layer ? -1 : 1;
  return x->host.v < y->host.v ? -1 : x->host.v > y->host.v;
}

/* A segment at host offset AT of LAYER. */
static int
add_segment (const struct journal_map *m, uint32_t layer, uint64_t at, struct error *err)
{
  const struct journal_layer *l = &m->j->layers[layer];
  struct segment s = { .ord = segments.n, .layer = layer, .first_extent = extents.n };

  s.at.v = s.need.at.v = s.committed_to.v = at;
  if (m->hash_image && layer == 0)
    s.need.len = min_u64 (l->segment_size, l->length - at);
  return add (&segments, &s, sizeof s, err);
}

/* E, which crosses no border of segments, into the last segment, or into a new one. */
static int
store (const struct journal_map *m, const struct extent *e, struct error *err)
{
  uint64_t size = m->j->layers[e->layer].segment_size, at = align_down (e->host.v, size);
  struct segment *s = last_row (&segments, sizeof *s);

  if (s == NULL || s->layer != e->layer || s->at.v != at) {
    /* where all of the file is hashed, also the pieces that no extent is in */
    uint64_t from = !m->hash_image || e->layer != 0 ? at : segments.n * size;

    for (; from <= at; from += size)
      if (add_segment (m, e->layer, from, err) == -1)
        return -1;
    s = last_row (&segments, sizeof *s);
    if (!m->hash_image || e->layer != 0)
      s->need.at = s->committed_to = e->host;
  }
  s->extents++;
  s->guest_bytes += e->len;
  s->need.len = max_u64 (host_end (s->need), extent_host_end (e)) - s->need.at.v;
  return add (&extents, e, sizeof *e, err);
}

static int
store_all (const struct journal_map *m, struct error *err)
{
  size_t i = 0;

  if (unsorted.n > 0)
    qsort (unsorted.row, unsorted.n, sizeof (struct extent), by_host);
  while (i < unsorted.n) {
    struct extent *e = row_at (&unsorted, sizeof *e, i);
    uint64_t size = m->j->layers[e->layer].segment_size;
    uint64_t room = align_down (e->host.v, size) + size - e->host.v;
    struct extent part = *e;

    if (e->kind == EXTENT_DATA)
      part.len = part.stored = min_u64 (e->len, room);
    if (store (m, &part, err) == -1)
      return -1;
    e->guest.v += part.len;
    e->host.v += part.stored;
    e->len -= part.len;
    e->stored -= part.stored;
    i += e->len == 0;
  }
  if (m->hash_image)
    while (segments.n * m->j->layers[0].segment_size < m->j->layers[0].length)
      if (add_segment (m, 0, segments.n * m->j->layers[0].segment_size, err) == -1)
        return -1;
  return 0;
}

int
journal_map_seal (struct journal_map *m, struct journal_import *imp, struct error *err)
{
  const struct segment *s;
  size_t i;

  m->hash_image = imp->hash_image;
  if (store_all (m, err) == -1)
    return -1;
  imp->sealed = true;
  imp->segments = segments.n;
  imp->extents = extents.n;
  imp->zero_runs = zeros.n;
  for (i = 0; i < segments.n; i++) {
    s = row_at (&segments, sizeof *s, i);
    imp->guest_total += s->guest_bytes;
    imp->need_max = max_u64 (imp->need_max, s->need.len);
    imp->image_total += s->need.len;
  }
  return 0;
}

/* ---- Work -------------------------------------------------------------------------------- */

int
journal_reader_open (struct journal_reader **out, const char *path, int64_t no,
                     struct error *err)
{
  (void)no;
  (void)path;
  *out = calloc (1, sizeof **out);
  return *out == NULL ? fail_memory (err, "a reader") : 0;
}

void
journal_reader_close (struct journal_reader *r)
{
  free (r);
}

int
journal_claim (struct journal_reader *r, uint64_t from_ord,
               uint64_t image_hashed_to, struct segment *out, size_t max, size_t *n,
               struct error *err)
{
  (void)r;
  (void)image_hashed_to;
  (void)err;
  *n = copy (&segments, sizeof *out, from_ord, out, max);
  return 0;
}

int
journal_extents (struct journal_reader *r, const struct segment *seg, uint64_t i,
                 struct extent *out, size_t max, size_t *n, struct error *err)
{
  (void)r;
  (void)err;
  max = (size_t)min_u64 (max, seg->extents - i);
  *n = copy (&extents, sizeof *out, seg->first_extent + i, out, max);
  return 0;
}

struct extent *
journal_map_keep (struct journal_map *m, size_t *n)
{
  (void)m;
  *n = 0;
  return NULL;
}

int
journal_zeros (struct journal_reader *r, uint64_t from_ord, struct extent *out,
               size_t max, size_t *n, struct error *err)
{
  (void)r;
  (void)err;
  *n = copy (&zeros, sizeof *out, from_ord, out, max);
  return 0;
}

/* ---- What leaves no trace, and what an import from a URL does not ask ----------------------
 */

static int
nothing (void)
{
  return 0;
}

static int
none (void)
{
  return 1;
}

static int
never (void)
{
  abort ();
}

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wattribute-alias"
#endif
#define IS(function, name) extern __typeof__ (name) name __attribute__ ((alias (#function)))

IS (nothing, journal_check_cluster);
IS (nothing, journal_check_need);
IS (nothing, journal_map_read);
IS (nothing, journal_map_totals);
IS (nothing, journal_commit);
IS (nothing, journal_complete);
IS (nothing, journal_event);
IS (nothing, journal_hold_back);
IS (nothing, journal_put_layer);
IS (nothing, journal_release);
IS (nothing, journal_set_target);

IS (none, journal_amends);
IS (none, journal_held);

IS (never, journal_audited);
IS (never, journal_check);
IS (never, journal_check_witness);
IS (never, journal_events);
IS (never, journal_forget);
IS (never, journal_hold);
IS (never, journal_hold_audit);
IS (never, journal_list);
IS (never, journal_log_json);
IS (never, journal_map_digest);
IS (never, journal_map_each);
IS (never, journal_map_take);
IS (never, journal_receipt_json);
IS (never, journal_release_audit);
IS (never, journal_samples);
IS (never, journal_segments);
IS (never, journal_set_options);
IS (never, journal_set_stream);
IS (never, journal_states);
IS (never, journal_status_json);
IS (never, journal_unseal);
