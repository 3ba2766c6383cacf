/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * reader: segments, extents and zero runs for those who do the work, on a connection that only
 * reads, so that it waits for no writer.  Every question starts at a row's key.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "journal/database.h"
#include "journal/record.h"

enum { AHEAD = 256, AHEAD_LEAST = 32 };

/* Extents as they are in their rows, which do not change.  Where a segment has a few, those of
 * the next come with them: a question each would be a lock each. */
struct ahead {
  uint64_t first, n;
  struct extent_row row[AHEAD];
};

struct journal_reader {
  struct sql sql;
  int64_t no; /* of the import, whose disk has so many bytes and layers */
  uint64_t disk;
  unsigned layers;
  uint64_t cluster_size[JOURNAL_LAYERS_MAX];
  struct ahead ahead;
};

void
journal_reader_close (struct journal_reader *r)
{
  if (r == NULL)
    return;
  sql_close (&r->sql);
  free (r);
}

static int
know_layers (struct journal_reader *r, const struct journal_import *imp, struct error *err)
{
  struct journal_layer layer;
  unsigned i;
  int rc;

  for (i = 0; i < imp->layers; i++) {
    rc = record_read_layer (&r->sql, imp->no, i, &layer, err);
    if (rc != 0)
      return rc == 1 ? record_corrupt (&r->sql, "a layer of an import is missing", err) : -1;
    r->cluster_size[i] = layer.cluster_size;
  }
  return 0;
}

/* What its rows must keep to: they are used beside the check of the journal, not after it. */
static int
know_disk (struct journal_reader *r, struct error *err)
{
  struct journal_import imp;

  if (record_read_import (&r->sql, r->no, &imp, err) == -1 || know_layers (r, &imp, err) == -1)
    return -1;
  r->disk = imp.virtual_size;
  r->layers = imp.layers;
  return 0;
}

int
journal_reader_open (struct journal_reader **out, const char *path, int64_t no,
                     struct error *err)
{
  OWN (journal_reader) r = calloc (1, sizeof *r);

  if (r == NULL)
    return fail_memory (err, "a reader of the journal");
  r->no = no;
  if (database_open_reader (&r->sql, path, err) == -1 || know_disk (r, err) == -1)
    return -1;
  *out = r;
  r = NULL;
  return 0;
}

static int
check_on_disk (struct journal_reader *r, const struct extent *e, struct error *err)
{
  struct guest_range guest = { e->guest, e->len };

  /* of a stream it may have grown since */
  if (!guest_range_within (guest, r->disk) && know_disk (r, err) == -1)
    return -1;
  if (guest_range_within (guest, r->disk) && e->layer < r->layers)
    return 0;
  return record_corrupt (&r->sql, "a part of the map lies beyond the disk", err);
}

int
journal_check_cluster (const struct journal_reader *r, const struct extent *e,
                       uint64_t cluster_size, struct error *err)
{
  if (e->skip <= cluster_size && e->len <= cluster_size - e->skip)
    return 0;
  return record_corrupt (&r->sql, "a compressed extent is larger than a cluster", err);
}

int
journal_check_need (const struct journal_reader *r, const struct segment *seg, uint64_t most,
                    struct error *err)
{
  if (seg->need.len <= most)
    return 0;
  return record_corrupt (&r->sql, "a segment needs more bytes than any should", err);
}

/* Its stored bytes are some of those that its segment needs. */
static int
check_extent (struct journal_reader *r, const struct segment *seg, const struct extent *e,
              struct error *err)
{
  if (e->host.v < seg->need.at.v || extent_host_end (e) > host_end (seg->need))
    return record_corrupt (&r->sql, "an extent lies outside of its segment", err);
  if (check_on_disk (r, e, err) == -1)
    return -1;
  return e->kind == EXTENT_COMPRESSED
             ? journal_check_cluster (r, e, r->cluster_size[e->layer], err)
             : 0;
}

static int
check_segment (const struct journal_reader *r, const struct segment *seg, struct error *err)
{
  if (seg->layer < r->layers)
    return 0;
  return record_corrupt (&r->sql, "a segment is of no layer", err);
}

static int
read_segments (struct journal_reader *r, sqlite3_stmt *row, struct segment *out, size_t max,
               size_t *n, struct error *err)
{
  int more;

  for (*n = 0; *n < max; ++*n) {
    more = sql_next (&r->sql, row, err);
    if (more != 0)
      return more == 1 ? 0 : -1;
    if (record_read_segment (row, &r->sql, &out[*n], err) == -1
        || check_segment (r, &out[*n], err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  sql_end (row);
  return 0;
}

int
journal_claim (struct journal_reader *r, uint64_t from_ord, uint64_t image_hashed_to,
               struct segment *out, size_t max, size_t *n, struct error *err)
{
  sqlite3_stmt *row;

  *n = 0;
  if (sql_start (&r->sql, SQL_CLAIM, &row, err, "iiii", r->no, (int64_t)from_ord,
                 (int64_t)min_u64 (image_hashed_to, INT64_MAX), (int64_t)max)
      == -1)
    return -1;
  return read_segments (r, row, out, max, n, err);
}

int
journal_segments (struct journal_reader *r, uint64_t from_ord, struct segment *out, size_t max,
                  size_t *n, struct error *err)
{
  sqlite3_stmt *row;

  *n = 0;
  if (sql_start (&r->sql, SQL_SEGMENTS, &row, err, "iii", r->no, (int64_t)from_ord,
                 (int64_t)max)
      == -1)
    return -1;
  return read_segments (r, row, out, max, n, err);
}

static int
read_zero (struct journal_reader *r, sqlite3_stmt *row, struct extent *e, struct error *err)
{
  uint64_t guest = sql_u64 (row, 0), len = sql_u64 (row, 1);

  if (guest > INT64_MAX / SECTOR || len > INT64_MAX / SECTOR)
    return record_corrupt (&r->sql, "a zero run has an impossible number", err);
  *e = (struct extent){
    .kind = sqlite3_column_int (row, 2) ? EXTENT_HOLE : EXTENT_ZERO,
    .layer = (uint32_t)sqlite3_column_int64 (row, 3),
    .guest = { guest * SECTOR },
    .len = len * SECTOR,
  };
  return 0;
}

/* WANT extents and perhaps more, from FIRST on, up to one that is missing. */
static int
read_ahead (struct journal_reader *r, uint64_t first, uint64_t want, struct error *err)
{
  uint64_t most = min_u64 (max_u64 (want, AHEAD_LEAST), AHEAD);
  struct ahead *a = &r->ahead;
  sqlite3_stmt *row;
  int more = 0;

  a->first = first;
  a->n = 0;
  if (sql_start (&r->sql, SQL_EXTENTS, &row, err, "iii", r->no, (int64_t)first, (int64_t)most)
      == -1)
    return -1;
  while (a->n < most && (more = sql_next (&r->sql, row, err)) == 0)
    if (sql_u64 (row, 5) == first + a->n)
      record_read_extent_row (row, &a->row[a->n++]);
    else
      break;
  if (more == 0)
    sql_end (row);
  return more == -1 ? -1 : 0;
}

int
journal_extents (struct journal_reader *r, const struct segment *seg, uint64_t i,
                 struct extent *out, size_t max, size_t *n, struct error *err)
{
  const struct ahead *a = &r->ahead;
  uint64_t at = seg->first_extent + i, have;

  assert (i < seg->extents || seg->extents == 0);
  *n = 0;
  if ((at < a->first || at >= a->first + a->n)
      && read_ahead (r, at, seg->extents - i, err) == -1)
    return -1;
  have = min_u64 (a->first + a->n - at, seg->extents - i);
  while (*n < min_u64 (max, have)) {
    const struct extent_row *row = &a->row[at - a->first + *n];

    if (record_extent (&r->sql, row, seg->layer, seg->at, &out[*n], err) == -1
        || check_extent (r, seg, &out[*n], err) == -1)
      return -1;
    ++*n;
  }
  return *n > 0 ? 0 : record_corrupt (&r->sql, "extents of a segment are missing", err);
}

int
journal_zeros (struct journal_reader *r, uint64_t from_ord, struct extent *out, size_t max,
               size_t *n, struct error *err)
{
  sqlite3_stmt *row;
  int more = 0;

  *n = 0;
  if (sql_start (&r->sql, SQL_ZEROS, &row, err, "iii", r->no, (int64_t)from_ord, (int64_t)max)
      == -1)
    return -1;
  while (*n < max && (more = sql_next (&r->sql, row, err)) == 0) {
    if (read_zero (r, row, &out[*n], err) == -1 || check_on_disk (r, &out[*n], err) == -1) {
      sql_end (row);
      return -1;
    }
    ++*n;
  }
  if (more == 0)
    sql_end (row);
  return more == -1 ? -1 : 0;
}
