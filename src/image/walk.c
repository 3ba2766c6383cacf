/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * walk: see walk.h.  A layer is walked by its L1 entries; where it has a hole the same guest
 * range is walked in the layer below, which is the order in which its own tables lie, so that
 * every table is read once.
 */
#include "image/walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A round trip for each, one after the other: a large L1 table must not be many of them.  What
 * all layers of a chain have in memory together is bounded: the more there are, the less each.
 */
enum {
  L1_CHUNK = 1 << 17,
  L1_CHUNK_LEAST = 1 << 13,
  L1_CHUNKS = 2 * L1_CHUNK,
  BATCH_TABLES = 256,
  BATCH_BYTES = 8 << 20,
  BATCHES_BYTES = 16 << 20
};

/* A window over one layer's tables, which moves forward. */
struct window {
  struct map_layer *layer;
  host_off *l2;    /* L1 entries L1_FIRST.. */
  uint32_t *place; /* which of BYTES' tables is theirs */
  uint64_t l1_first;
  size_t l1_n, l1_chunk;
  uint8_t
      *bytes; /* the L2 tables of L1 entries FIRST.., each STRIDE bytes, BYTES_MOST at most */
  uint64_t first;
  size_t n;
  uint64_t stride, bytes_most;
  /* Of a table that is larger than that, a part: its entries PART.. */
  uint64_t part, part_n;
};

struct walk {
  const struct map_sink *sink;
  struct window *windows;
  unsigned n;
  unsigned depth; /* of the layer that is being walked */
  struct guest_range clip;
  bool named; /* which image is at fault */
};

static int walk_range (struct walk *w, unsigned depth, struct guest_range r, struct error *err);

static int
note_table (struct walk *w, unsigned depth, host_off at, uint64_t len, const char *what,
            struct error *err)
{
  struct host_range r = { at, min_u64 (len, w->windows[depth].layer->file_len - at.v) };

  if (w->sink->table == NULL)
    return 0;
  return w->sink->table (w->sink->ctx, depth, r, what, err);
}

/* ---- Reading tables -----------------------------------------------------------------------
 */

static int
load_l1 (struct window *v, uint64_t idx, struct error *err)
{
  const struct map_layer *layer = v->layer;
  OWN_MEM uint8_t *raw = NULL;
  struct source_want want;
  size_t n = (size_t)min_u64 (v->l1_chunk, layer->disk.l1.n - idx);

  raw = malloc (n * 8);
  if (raw == NULL)
    return fail_memory (err, "an L1 table");
  want.range.at.v = layer->disk.l1.at.v + idx * 8;
  want.range.len = n * 8;
  want.buf = raw;
  if (idx == 0 && layer->l1 != NULL && layer->l1_at.at.v == want.range.at.v
      && layer->l1_at.len >= want.range.len)
    memcpy (raw, layer->l1, want.range.len);
  else if (source_read (layer->source, &want, 1, err) == -1)
    return -1;
  if (qcow2_l1_parse (&layer->header, &layer->disk, idx, raw, n, v->l2, err) == -1)
    return -1;
  v->l1_first = idx;
  v->l1_n = n;
  v->n = 0;
  return 0;
}

static int
l2_offset (struct window *v, uint64_t idx, host_off *at, struct error *err)
{
  if ((v->l1_n == 0 || idx < v->l1_first || idx >= v->l1_first + v->l1_n)
      && load_l1 (v, idx, err) == -1)
    return -1;
  *at = v->l2[idx - v->l1_first];
  return 0;
}

static uint64_t
l2_used_bytes (const struct map_layer *l, uint64_t idx)
{
  return qcow2_l2_used (&l->header, &l->disk, idx) * qcow2_l2_entry_size (&l->header);
}

/* Read the tables of L1 entries IDX.. that are known, as many as the batch holds. */
static int
load_batch (struct walk *w, unsigned depth, uint64_t idx, struct error *err)
{
  struct window *v = &w->windows[depth];
  const struct map_layer *l = v->layer;
  struct source_want wants[BATCH_TABLES];
  uint64_t most = v->bytes_most / v->stride;
  size_t n = 0;
  uint64_t i;

  v->first = idx;
  v->n = 0;
  for (i = idx; i < v->l1_first + v->l1_n && n < min_u64 (most, BATCH_TABLES); i++, v->n++) {
    host_off at = v->l2[i - v->l1_first];

    v->place[i - v->l1_first] = (uint32_t)n;
    if (at.v == 0)
      continue;
    if (note_table (w, depth, at, l->header.cluster_size, "L2 table", err) == -1)
      return -1;
    wants[n].range.at = at;
    wants[n].range.len = l2_used_bytes (l, i);
    wants[n].buf = v->bytes + n * v->stride;
    n++;
  }
  return source_read (l->source, wants, n, err);
}

/* Read of the table at AT, of L1 entry IDX, what fits, from ENTRY on. */
static int
load_part (struct walk *w, unsigned depth, uint64_t idx, host_off at, uint64_t entry,
           struct error *err)
{
  struct window *v = &w->windows[depth];
  uint32_t size = qcow2_l2_entry_size (&v->layer->header);
  struct source_want want = { .buf = v->bytes };

  if ((v->n == 0 || v->first != idx)
      && note_table (w, depth, at, v->layer->header.cluster_size, "L2 table", err) == -1)
    return -1;
  v->first = idx;
  v->n = 1;
  v->part = entry;
  v->part_n = min_u64 (v->bytes_most, l2_used_bytes (v->layer, idx) - entry * size) / size;
  want.range.at.v = at.v + entry * size;
  want.range.len = v->part_n * size;
  return source_read (v->layer->source, &want, 1, err);
}

/* The L2 table at AT, of L1 entry IDX: *RAW its entries from ENTRY on, *N of them at most. */
static int
l2_table (struct walk *w, unsigned depth, uint64_t idx, host_off at, uint64_t entry,
          const uint8_t **raw, size_t *n, struct error *err)
{
  struct window *v = &w->windows[depth];
  uint32_t size = qcow2_l2_entry_size (&v->layer->header);

  if (v->stride > v->bytes_most) {
    if ((v->n == 0 || v->first != idx || entry < v->part || entry >= v->part + v->part_n)
        && load_part (w, depth, idx, at, entry, err) == -1)
      return -1;
    *raw = v->bytes + (entry - v->part) * size;
    *n = (size_t)min_u64 (*n, v->part + v->part_n - entry);
    return 0;
  }
  if ((v->n == 0 || idx < v->first || idx >= v->first + v->n)
      && load_batch (w, depth, idx, err) == -1)
    return -1;
  *raw = v->bytes + v->place[idx - v->l1_first] * v->stride + entry * size;
  return 0;
}

/* ---- Walking ------------------------------------------------------------------------------
 */

/* The part of E within the range that is walked. */
static bool
clip (struct extent *e, struct guest_range r)
{
  uint64_t from = max_u64 (e->guest.v, r.at.v);
  uint64_t to = min_u64 (extent_guest_end (e), r.at.v + r.len);
  uint64_t cut;

  if (from >= to)
    return false;
  cut = from - e->guest.v;
  e->guest.v = from;
  e->len = to - from;
  if (e->kind == EXTENT_COMPRESSED)
    e->skip += (uint32_t)cut;
  if (e->kind == EXTENT_ZERO && e->host.v != 0)
    e->host.v += cut;
  if (e->kind == EXTENT_DATA) {
    e->host.v += cut;
    e->stored = e->len;
  }
  return true;
}

/* A hole of one layer is for the next one to fill. */
static int
take_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct walk *w = ctx;
  struct extent part = *e;
  struct guest_range saved = w->clip;
  unsigned depth = w->depth;
  int rc;

  if (!clip (&part, w->clip))
    return 0;
  part.layer = part.kind == EXTENT_HOLE ? 0 : depth;
  if (part.kind == EXTENT_HOLE && w->sink->depths)
    part.layer = depth;
  if (part.kind != EXTENT_HOLE || depth + 1 == w->n)
    return w->sink->extent (w->sink->ctx, &part, err);
  rc = walk_range (w, depth + 1, (struct guest_range){ part.guest, part.len }, err);
  w->depth = depth;
  w->clip = saved;
  return rc;
}

/* All of it is one run; but of the last sector a file of odd length has not every byte. */
static int
walk_raw (struct walk *w, unsigned depth, struct error *err)
{
  uint64_t len = w->windows[depth].layer->file_len, whole = align_down (len, SECTOR);
  struct extent e = { .kind = EXTENT_DATA, .len = whole, .stored = whole };
  struct extent cut = raw_cut_sector (whole, len);

  if (whole > 0 && take_extent (w, &e, err) == -1)
    return -1;
  return cut.len == 0 ? 0 : take_extent (w, &cut, err);
}

/* The entries of the table of IDX that the walked range touches. */
static void
used_entries (const struct walk *w, const struct map_layer *l, uint64_t idx, uint64_t *first,
              size_t *n)
{
  uint64_t start = idx * qcow2_l1_span (&l->header), size = l->header.cluster_size;
  uint64_t end = w->clip.at.v + w->clip.len;
  uint64_t used = qcow2_l2_used (&l->header, &l->disk, idx);

  *first = w->clip.at.v > start ? (w->clip.at.v - start) / size : 0;
  used = min_u64 (used, align_up (end - start, size) / size);
  *n = *first < used ? (size_t)(used - *first) : 0;
}

static int
walk_l1_entry (struct walk *w, unsigned depth, uint64_t idx, struct error *err)
{
  struct window *v = &w->windows[depth];
  const struct map_layer *l = v->layer;
  const uint8_t *raw;
  uint64_t first;
  host_off at;
  size_t left, n;

  if (l2_offset (v, idx, &at, err) == -1)
    return -1;
  if (at.v == 0)
    return qcow2_l1_hole (&l->header, &l->disk, idx, take_extent, w, err);
  for (used_entries (w, l, idx, &first, &left); left > 0; first += n, left -= n) {
    n = left;
    if (l2_table (w, depth, idx, at, first, &raw, &n, err) == -1
        || qcow2_l2_walk (&l->header, &l->disk, idx, at, first, raw, n, take_extent, w, err)
               == -1)
      return -1;
  }
  return 0;
}

/* The words of what failed name the image of that layer; it is seen by those above it, too. */
static int
name_layer (struct walk *w, unsigned depth, struct error *err)
{
  if (!w->named && error_blames_image (err->code))
    fail_in (err, source_url (w->windows[depth].layer->source));
  w->named = true;
  return -1;
}

/* What lies beyond the end of a layer that has another below it, be it what the target holds,
 * reads as zeros: the layers below it do not show through.  Below the last one is nothing. */
static int
walk_beyond (struct walk *w, unsigned depth, uint64_t size, uint64_t end, struct error *err)
{
  const struct map_layer *l = w->windows[depth].layer;
  bool below = depth + 1 < w->n || (!l->raw && l->header.has_backing);
  struct extent e = { .kind = EXTENT_HOLE, .guest = { size } };

  if (end <= size)
    return 0;
  e.len = end - size;
  if (w->sink->depths && depth > 0)
    e.layer = depth - 1;
  if (below && w->sink->keep_holes) {
    e.kind = EXTENT_ZERO;
    e.layer = depth;
  }
  return clip (&e, w->clip) ? w->sink->extent (w->sink->ctx, &e, err) : 0;
}

/* Walk R in layer DEPTH. */
static int
walk_range (struct walk *w, unsigned depth, struct guest_range r, struct error *err)
{
  struct map_layer *l = w->windows[depth].layer;
  uint64_t size = l->disk.virtual_size, end = r.at.v + r.len;
  uint64_t span = l->raw ? 0 : qcow2_l1_span (&l->header);
  uint64_t idx;

  w->depth = depth;
  w->clip = r;
  if (l->raw && walk_raw (w, depth, err) == -1)
    return -1;
  if (!l->raw)
    for (idx = r.at.v / span; idx < l->disk.l1.n && idx * span < min_u64 (end, size); idx++)
      if (walk_l1_entry (w, depth, idx, err) == -1)
        return name_layer (w, depth, err);
  return walk_beyond (w, depth, size, end, err);
}

/* ---- The whole ----------------------------------------------------------------------------
 */

/* The tables that the header names. */
static int
note_header_tables (struct walk *w, unsigned depth, struct error *err)
{
  const struct map_layer *l = w->windows[depth].layer;
  host_off start = { 0 };

  if (l->raw)
    return 0;
  if (note_table (w, depth, start, l->header.cluster_size, "header", err) == -1)
    return -1;
  if (l->disk.l1.n > 0
      && note_table (w, depth, l->disk.l1.at, l->disk.l1.n * 8, "L1 table", err) == -1)
    return -1;
  if (l->header.refcount_table.at.v >= l->file_len)
    return 0;
  return note_table (w, depth, l->header.refcount_table.at, l->header.refcount_table.len,
                     "refcount table", err);
}

/* One of LAYERS. */
static int
open_window (struct window *v, struct map_layer *layer, unsigned layers, struct error *err)
{
  size_t l1_n;

  v->l1_chunk = (size_t)max_u64 (min_u64 (L1_CHUNK, L1_CHUNKS / layers), L1_CHUNK_LEAST);
  l1_n = (size_t)min_u64 (v->l1_chunk, max_u64 (layer->disk.l1.n, 1));
  v->bytes_most = align_down (min_u64 (BATCH_BYTES, BATCHES_BYTES / layers), SECTOR);
  v->layer = layer;
  if (layer->raw)
    return 0;
  v->stride = min_u64 (layer->header.cluster_size,
                       max_u64 (layer->disk.l1.n > 0 ? l2_used_bytes (layer, 0) : 0, 16));
  v->l2 = malloc (l1_n * sizeof *v->l2);
  v->place = calloc (l1_n, sizeof *v->place);
  v->bytes = malloc (v->bytes_most);
  if (v->l2 == NULL || v->place == NULL || v->bytes == NULL)
    return fail_memory (err, "the tables of the image");
  return 0;
}

int
map_walk (struct map_layer *layers, unsigned n, uint64_t virtual_size,
          const struct map_sink *sink, struct error *err)
{
  struct walk w = { .sink = sink, .n = n };
  struct guest_range all = { { 0 }, virtual_size };
  unsigned i;
  int rc = 0;

  w.windows = calloc (n, sizeof *w.windows);
  if (w.windows == NULL)
    return fail_memory (err, "the map");
  for (i = 0; i < n && rc == 0; i++) {
    rc = open_window (&w.windows[i], &layers[i], n, err);
    if (rc == 0)
      rc = note_header_tables (&w, i, err);
  }
  if (rc == 0 && virtual_size > 0)
    rc = walk_range (&w, 0, all, err);
  for (i = 0; i < n; i++) {
    free (w.windows[i].l2);
    free (w.windows[i].place);
    free (w.windows[i].bytes);
  }
  free (w.windows);
  return rc;
}
