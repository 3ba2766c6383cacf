/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_map: the tables of an image that comes as a stream: the disk (header or snapshot
 * table), its L1 table, then every L2 table, each as soon as all of its bytes are here.  All
 * tables are known with the L1 table, before any extent is, so that an overlap is refused at
 * once.
 */
#include "import/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "import/snapshot.h"

enum { L1_CHUNK = 8192 };

static uint64_t
horizon (const struct stream *s)
{
  return s->at + s->have;
}

/* ---- Tables ------------------------------------------------------------------------------- */

static int
add_table (struct stream *s, host_off at, uint64_t len, uint64_t l1_idx, struct error *err)
{
  if (s->n_tables == s->cap_tables) {
    size_t cap = s->cap_tables == 0 ? 64 : 2 * s->cap_tables;
    void *more = realloc (s->tables, cap * sizeof *s->tables);

    if (more == NULL)
      return fail_memory (err, "the tables of the image");
    s->tables = more;
    s->cap_tables = cap;
  }
  s->tables[s->n_tables++]
      = (struct stream_table){ at, len, l1_idx, .parsed = l1_idx == NO_L2 };
  s->unparsed += l1_idx != NO_L2;
  return 0;
}

static int
by_offset (const void *a, const void *b)
{
  const struct stream_table *x = a, *y = b;

  return (x->at.v > y->at.v) - (x->at.v < y->at.v);
}

static int
refuse_overlap (const struct stream *s, const char *what, host_off at, host_off table,
                struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "%s: %s at %" PRIu64 " overlaps the table at %" PRIu64
               "; the image is corrupt, `qemu-img check` tells more",
               source_url (s->q->sources[0]), what, at.v, table.v);
}

static int
sort_tables (struct stream *s, struct error *err)
{
  size_t i;

  qsort (s->tables, s->n_tables, sizeof *s->tables, by_offset);
  for (i = 1; i < s->n_tables; i++)
    if (s->tables[i].at.v < s->tables[i - 1].at.v + s->tables[i - 1].len)
      return refuse_overlap (s, "a table", s->tables[i].at, s->tables[i - 1].at, err);
  return 0;
}

/* The first table that ends behind AT. */
static const struct stream_table *
table_behind (const struct stream *s, uint64_t at)
{
  size_t low = 0, high = s->n_tables;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (s->tables[mid].at.v + s->tables[mid].len <= at)
      low = mid + 1;
    else
      high = mid;
  }
  return low < s->n_tables ? &s->tables[low] : NULL;
}

/* ---- Extents ------------------------------------------------------------------------------ */

/* The last sector of a compressed cluster is counted whole by its descriptor; what lies behind
 * the stream in it may be anything. */
static uint64_t
certain_end (const struct extent *e)
{
  uint64_t slack = e->kind == EXTENT_COMPRESSED ? min_u64 (SECTOR - 1, e->stored - 1) : 0;

  return extent_host_end (e) - slack;
}

static int
check_extent (struct stream *s, const struct extent *e, struct error *err)
{
  const struct stream_table *t = table_behind (s, e->host.v);
  uint64_t unit;

  if (t != NULL && t->at.v < certain_end (e))
    return refuse_overlap (s, "a data cluster", e->host, t->at, err);
  if (e->host.v >= s->at)
    return 0;
  for (unit = e->host.v / s->unit; unit * s->unit < min_u64 (extent_host_end (e), s->at); unit++)
    if (stream_bit (&s->dropped, unit))
      return fail (err, ERR_IMAGE_UNSUPPORTED,
                   "%s: a table uses the cluster at %" PRIu64 " again after it went by, which a "
                   "stream cannot go back to; fetch the image from a file or a server that "
                   "honours ranges",
                   source_url (s->q->sources[0]), e->host.v);
  return stream_set_bit (&s->late, e->host.v / s->piece, err);
}

static int
on_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct stream *s = ctx;
  uint64_t end = extent_host_end (e);

  if (e->kind == EXTENT_DATA || e->kind == EXTENT_COMPRESSED) {
    if (check_extent (s, e, err) == -1)
      return -1;
    if (e->kind == EXTENT_DATA)
      s->data_end = max_u64 (s->data_end, end);
    else
      s->compressed_end = max_u64 (s->compressed_end, end);
  }
  return journal_map_add (s->map, e, err);
}

/* ---- In the order in which they can be known ------------------------------------------------ */

static int
read_for_snapshot (void *ctx, host_off at, void *buf, size_t len, struct error *err)
{
  return stream_read_host (ctx, at, buf, len, err);
}

/* A snapshot's disk is known when its entry is here.  Until the stream ends an entry that
 * reaches beyond what is here means: later. */
int
stream_find_disk (struct stream *s, struct error *err)
{
  struct image_reader r = { read_for_snapshot, s, horizon (s) };
  const char *name = s->q->options->snapshot;
  int rc;

  if (name == NULL) {
    qcow2_active_disk (&s->header, &s->disk);
    s->have_disk = true;
    return 0;
  }
  if (!s->ended && (s->header.snapshots == 0 || horizon (s) <= s->header.snapshots_at))
    return 0;
  rc = import_find_snapshot (&r, &s->header, name, &s->disk, err);
  if (rc == -1 && err->code == ERR_IMAGE_TRUNCATED && !s->ended)
    return 0;
  s->have_disk = rc == 0;
  return rc;
}

static int
parse_l1_chunk (struct stream *s, uint64_t first, size_t n, uint8_t *raw, host_off *l2,
                struct error *err)
{
  host_off at = { s->disk.l1.at.v + first * 8 };
  size_t i;

  if (stream_read_host (s, at, raw, n * 8, err) == -1
      || qcow2_l1_parse (&s->header, &s->disk, first, raw, n, l2, err) == -1)
    return -1;
  for (i = 0; i < n; i++) {
    if (l2[i].v != 0) {
      if (add_table (s, l2[i], s->header.cluster_size, first + i, err) == -1)
        return -1;
    } else if (qcow2_l1_hole (&s->header, &s->disk, first + i, on_extent, s, err) == -1) {
      return -1;
    }
  }
  return 0;
}

static int
parse_l1_entries (struct stream *s, struct error *err)
{
  OWN_MEM uint8_t *raw = malloc (L1_CHUNK * 8);
  OWN_MEM host_off *l2 = malloc (L1_CHUNK * sizeof *l2);
  uint64_t first;

  if (raw == NULL || l2 == NULL)
    return fail_memory (err, "the L1 table");
  for (first = 0; first < s->disk.l1.n; first += L1_CHUNK)
    if (parse_l1_chunk (s, first, (size_t)min_u64 (L1_CHUNK, s->disk.l1.n - first), raw, l2, err)
        == -1)
      return -1;
  return 0;
}

static int
parse_l1 (struct stream *s, struct error *err)
{
  const struct qcow2_header *h = &s->header;
  host_off start = { 0 };

  if (horizon (s) < s->disk.l1.at.v + s->disk.l1.n * 8)
    return 0;
  if (add_table (s, start, h->cluster_size, NO_L2, err) == -1
      || (s->disk.l1.n > 0 && add_table (s, s->disk.l1.at, s->disk.l1.n * 8, NO_L2, err) == -1)
      || add_table (s, h->refcount_table.at, h->refcount_table.len, NO_L2, err) == -1
      || parse_l1_entries (s, err) == -1 || sort_tables (s, err) == -1)
    return -1;
  s->have_l1 = true;
  return 0;
}

static int
parse_l2 (struct stream *s, struct stream_table *t, struct error *err)
{
  size_t n = (size_t)qcow2_l2_used (&s->header, &s->disk, t->l1_idx);

  if (stream_read_host (s, t->at, s->table_buf, n * qcow2_l2_entry_size (&s->header), err) == -1)
    return -1;
  t->parsed = true;
  s->unparsed--;
  return qcow2_l2_walk (&s->header, &s->disk, t->l1_idx, t->at, 0, s->table_buf, n, on_extent, s,
                        err);
}

/* A table that waited in the spool needs its place there no longer. */
static int
drop_table (struct stream *s, const struct stream_table *t, struct error *err)
{
  struct host_range r = { t->at, t->len };

  if (host_end (r) > s->at || !is_aligned (t->at.v | t->len, s->unit))
    return 0;
  spool_drop (s->spool, r);
  return stream_set_bit (&s->dropped, t->at.v / s->unit, err);
}

int
stream_parse_tables (struct stream *s, struct error *err)
{
  size_t i;

  if (!s->have_l1 && parse_l1 (s, err) == -1)
    return -1;
  if (!s->have_l1 || s->unparsed == 0)
    return 0;
  for (i = s->next_table; i < s->n_tables; i++) {
    struct stream_table *t = &s->tables[i];
    uint64_t used;

    if (t->at.v >= horizon (s))
      break;
    if (t->l1_idx == NO_L2 || t->parsed)
      continue;
    used = qcow2_l2_used (&s->header, &s->disk, t->l1_idx) * qcow2_l2_entry_size (&s->header);
    if (t->at.v + used > horizon (s))
      break;
    if (parse_l2 (s, t, err) == -1 || drop_table (s, t, err) == -1)
      return -1;
  }
  s->next_table = i;
  return 0;
}
