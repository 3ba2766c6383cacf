/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_map: the tables of an image that comes as a stream: the disk (header or snapshot
 * table), its L1 table, then every L2 table, each as soon as all of its bytes are here.  All
 * tables are known with the L1 table, before any extent is, so that an overlap is refused at
 * once.  They are parsed in the order in which they come.
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* An L2 table is kept as its host offset in sectors and the index of its L1 entry, in one
 * number: an L1 table of 32 MiB may name 4 Mi of them. */
enum { L1_CHUNK = 8192, IDX_BITS = 22, AT_BITS = 64 - IDX_BITS + 9 };

_Static_assert(QCOW2_L1_MAX / 8 <= 1 << IDX_BITS, "the index of an L1 entry fits");

static uint64_t
table_at (const struct stream *s, size_t i)
{
  return (s->tables.table[i] >> IDX_BITS) * SECTOR;
}

static uint64_t
table_idx (const struct stream *s, size_t i)
{
  return s->tables.table[i] & ((1 << IDX_BITS) - 1);
}

static uint64_t
horizon (const struct stream *s)
{
  return s->window.at + s->window.have;
}

bool
stream_all_parsed (const struct stream *s)
{
  return s->tables.have_l1 && s->tables.next == s->tables.n;
}

/* The first table that ends behind AT. */
static size_t
table_behind (const struct stream *s, uint64_t at)
{
  size_t low = 0, high = s->tables.n;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (table_at (s, mid) + s->header.cluster_size <= at)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

uint64_t
stream_tables_end (const struct stream *s)
{
  const struct stream_tables *t = &s->tables;
  uint64_t used;

  if (!t->have_l1 || t->n == 0)
    return 0;
  used = qcow2_l2_used (&s->header, &s->disk, table_idx (s, t->n - 1));
  return table_at (s, t->n - 1) + used * qcow2_l2_entry_size (&s->header);
}

struct stream_totals
stream_totals (const struct stream *s)
{
  const struct stream_tables *t = &s->tables;
  struct stream_totals all
      = { t->guest_found, t->guest_found - t->data_found, t->stored_found };

  if (!stream_all_parsed (s))
    all.guest = s->disk.virtual_size;
  return all;
}

void
stream_tell_totals (struct stream *s)
{
  struct stream_totals t = stream_totals (s);

  journal_map_totals (s->map, t.guest, t.zeros, t.stored);
}

bool
stream_parsed_table (const struct stream *s, uint64_t at, uint64_t end, uint64_t *table)
{
  size_t i = table_behind (s, at);

  if (i >= s->tables.next || table_at (s, i) >= end)
    return false;
  *table = table_at (s, i);
  return true;
}

/* No stream is that long: this is damage, and no pipe that broke. */
static int
check_reach (const struct stream *s, const char *what, uint64_t at, struct error *err)
{
  if (at >> AT_BITS == 0)
    return 0;
  return fail (err, ERR_IMAGE_TRUNCATED,
               "%s: %s at host offset %" PRIu64
               " lies beyond the end of any stream; the image is "
               "damaged, ask for a sound one",
               stream_url (s), what, at);
}

/* ---- Extents ------------------------------------------------------------------------------
 */

static int
refuse_overlap (const struct stream *s, const char *what, uint64_t at, uint64_t table,
                struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "%s: %s at host offset %" PRIu64 " overlaps the L2 table at host offset %" PRIu64
               "; the image is damaged, ask for a sound one",
               stream_url (s), what, at, table);
}

/* The last sector of a compressed cluster is counted whole by its descriptor; what lies behind
 * the stream in it may be anything. */
static uint64_t
certain_end (const struct extent *e)
{
  uint64_t slack = e->kind == EXTENT_COMPRESSED ? min_u64 (SECTOR - 1, e->stored - 1) : 0;

  return extent_host_end (e) - slack;
}

static int
on_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct stream *s = ctx;

  if (e->kind != EXTENT_HOLE || !s->spec.keep_holes)
    s->tables.guest_found += e->len;
  if (e->kind == EXTENT_DATA || e->kind == EXTENT_COMPRESSED) {
    s->tables.data_found += e->len;
    s->tables.stored_found += e->stored;
    size_t i = table_behind (s, e->host.v);

    if (i < s->tables.n && table_at (s, i) < certain_end (e))
      return refuse_overlap (s, "a data cluster", e->host.v, table_at (s, i), err);
    if (check_reach (s, "a data cluster", e->host.v, err) == -1
        || stream_expect (s, e, err) == -1)
      return -1;
  }
  return journal_map_add (s->map, e, err);
}

/* ---- The disk ------------------------------------------------------------------------------
 */

static int
read_for_snapshot (void *ctx, host_off at, void *buf, size_t len, struct error *err)
{
  return stream_read_host (ctx, at, buf, len, err);
}

/* The active disk is known at once, a snapshot's when all were seen.  Whatever is imported, the
 * table is looked at as it comes, as it would be where it can be read.  An entry is shorter
 * than a piece, so that it never needs the spool. */
int
stream_find_disk (struct stream *s, struct error *err)
{
  struct image_reader r = { read_for_snapshot, s, horizon (s), 64 << 10 };
  int rc = image_snapshots_go_on (&s->snapshots, &r, &s->header, image_search_snapshot,
                                  &s->search, err);

  if (rc == -1)
    return -1;
  if (s->have_disk || (rc == 1 && s->search.name != NULL))
    return 0;
  if (image_found_disk (&s->search, &s->header, &s->disk, err) == -1)
    return image_name_error (s->spec.image, 0, err);
  s->have_disk = true;
  return 0;
}

/* ---- The L1 table --------------------------------------------------------------------------
 */

typedef int (*l1_each) (struct stream *s, uint64_t idx, host_off l2, struct error *err);

static int
each_l1_entry (struct stream *s, l1_each each, struct error *err)
{
  OWN_MEM uint8_t *raw = malloc (L1_CHUNK * 8);
  OWN_MEM host_off *l2 = malloc (L1_CHUNK * sizeof *l2);
  uint64_t first, n, i;

  if (raw == NULL || l2 == NULL)
    return fail_memory (err, "the L1 table");
  for (first = 0; first < s->disk.l1.n; first += n) {
    host_off at = { s->disk.l1.at.v + first * 8 };

    n = min_u64 (L1_CHUNK, s->disk.l1.n - first);
    if (stream_read_host (s, at, raw, n * 8, err) == -1
        || qcow2_l1_parse (&s->header, &s->disk, first, raw, n, l2, err) == -1)
      return -1;
    for (i = 0; i < n; i++)
      if (each (s, first + i, l2[i], err) == -1)
        return -1;
  }
  return 0;
}

static int
count_table (struct stream *s, uint64_t idx, host_off l2, struct error *err)
{
  (void)idx;
  s->tables.n += l2.v != 0;
  return check_reach (s, "an L2 table", l2.v, err);
}

static int
add_table (struct stream *s, uint64_t idx, host_off l2, struct error *err)
{
  if (l2.v == 0)
    return qcow2_l1_hole (&s->header, &s->disk, idx, on_extent, s, err);
  s->tables.table[s->tables.n++] = l2.v / SECTOR << IDX_BITS | idx;
  return 0;
}

static int
by_offset (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

  return (x > y) - (x < y);
}

static int
sort_tables (struct stream *s, struct error *err)
{
  size_t i;

  qsort (s->tables.table, s->tables.n, sizeof *s->tables.table, by_offset);
  for (i = 1; i < s->tables.n; i++)
    if (table_at (s, i) < table_at (s, i - 1) + s->header.cluster_size)
      return refuse_overlap (s, "an L2 table", table_at (s, i), table_at (s, i - 1), err);
  return 0;
}

static int
parse_l1 (struct stream *s, struct error *err)
{
  if (check_reach (s, "the L1 table", s->disk.l1.at.v, err) == -1)
    return -1;
  if (s->disk.l1.n > 0 && horizon (s) < s->disk.l1.at.v + s->disk.l1.n * 8)
    return 0;
  if (each_l1_entry (s, count_table, err) == -1)
    return -1;
  s->tables.table = malloc (max_u64 (s->tables.n, 1) * sizeof *s->tables.table);
  if (s->tables.table == NULL)
    return fail_memory (err, "the tables of the image");
  s->tables.n = 0;
  if (each_l1_entry (s, add_table, err) == -1 || sort_tables (s, err) == -1)
    return -1;
  s->tables.have_l1 = true;
  return 0;
}

/* ---- L2 tables -----------------------------------------------------------------------------
 */

/* A table that waited in the spool needs its place there no longer. */
static void
drop_table (struct stream *s, uint64_t at)
{
  struct host_range r = { { at }, s->header.cluster_size };

  if (host_end (r) <= s->window.at)
    spool_drop (s->spool, r);
}

static int
parse_l2 (struct stream *s, uint64_t at, uint64_t idx, struct error *err)
{
  host_off l2 = { at };
  size_t n = (size_t)qcow2_l2_used (&s->header, &s->disk, idx);

  if (stream_read_host (s, l2, s->tables.buf, n * qcow2_l2_entry_size (&s->header), err) == -1
      || qcow2_l2_walk (&s->header, &s->disk, idx, l2, 0, s->tables.buf, n, on_extent, s, err)
             == -1)
    return -1;
  journal_map_read (s->map, n * qcow2_l2_entry_size (&s->header));
  drop_table (s, at);
  return 0;
}

int
stream_parse_tables (struct stream *s, struct error *err)
{
  if (!s->tables.have_l1 && parse_l1 (s, err) == -1)
    return -1;
  if (!s->tables.have_l1)
    return 0;
  for (; s->tables.next < s->tables.n; s->tables.next++) {
    uint64_t at = table_at (s, s->tables.next), idx = table_idx (s, s->tables.next);
    uint64_t used = qcow2_l2_used (&s->header, &s->disk, idx);

    if (at + used * qcow2_l2_entry_size (&s->header) > horizon (s))
      break;
    if (parse_l2 (s, at, idx, err) == -1)
      return -1;
  }
  return 0;
}
