/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * reader: segments, extents and zero runs for those who do the work, on a connection that only
 * reads, so that it waits for no writer.  Every question starts at a row's key.
 */
#include <stdlib.h>
#include <string.h>

#include "journal/record.h"

struct journal_reader {
  struct sql sql;
  int64_t no; /* whose disk has so many bytes and layers; 0: none was asked for */
  uint64_t disk;
  unsigned layers;
};

int
journal_reader_open (struct journal_reader **out, const char *path, struct error *err)
{
  OWN (journal_reader) r = calloc (1, sizeof *r);

  if (r == NULL)
    return fail_memory (err, "a reader of the journal");
  if (file_open_reader (&r->sql, path, err) == -1)
    return -1;
  *out = r;
  r = NULL;
  return 0;
}

void
journal_reader_close (struct journal_reader *r)
{
  if (r == NULL)
    return;
  sql_close (&r->sql);
  free (r);
}

/* Of import NO, what its rows must keep to: they are used beside the check of the journal, not
 * after it. */
static int
know_disk (struct journal_reader *r, int64_t no, struct error *err)
{
  struct journal_import imp;

  if (r->no == no)
    return 0;
  if (record_read_import (&r->sql, no, &imp, err) == -1)
    return -1;
  r->no = no;
  r->disk = imp.virtual_size;
  r->layers = imp.layers;
  return 0;
}

static int
check_extent (struct journal_reader *r, const struct extent *e, struct error *err)
{
  if (guest_range_within ((struct guest_range){ e->guest, e->len }, r->disk)
      && e->layer < r->layers)
    return 0;
  return record_corrupt (&r->sql, "a part of the map lies beyond the disk", err);
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
    if (record_read_segment (row, &r->sql, &out[*n], err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  sql_end (row);
  return 0;
}

int
journal_claim (struct journal_reader *r, int64_t no, uint64_t from_ord,
               uint64_t image_hashed_to, struct segment *out, size_t max, size_t *n,
               struct error *err)
{
  sqlite3_stmt *row;

  *n = 0;
  if (sql_start (&r->sql, SQL_CLAIM, &row, err, "iiii", no, (int64_t)from_ord,
                 (int64_t)min_u64 (image_hashed_to, INT64_MAX), (int64_t)max)
      == -1)
    return -1;
  return read_segments (r, row, out, max, n, err);
}

int
journal_segments (struct journal_reader *r, int64_t no, uint64_t from_ord, struct segment *out,
                  size_t max, size_t *n, struct error *err)
{
  sqlite3_stmt *row;

  *n = 0;
  if (sql_start (&r->sql, SQL_SEGMENTS, &row, err, "iii", no, (int64_t)from_ord, (int64_t)max)
      == -1)
    return -1;
  return read_segments (r, row, out, max, n, err);
}

/* The segment that extent FIRST is of: the last whose first extent is not behind it. */
static int
find_segment (struct journal_reader *r, int64_t no, uint64_t first, int64_t *ord,
              struct error *err)
{
  int64_t low = 0, high, mid, at;

  if (sql_get (&r->sql, SQL_SEGMENT_LAST, 0, &high, err, "i", no) == -1)
    return -1;
  while (high - low > 1) { /* segment LOW begins at or before FIRST, segment HIGH behind it */
    mid = low + (high - low) / 2;
    if (sql_get (&r->sql, SQL_SEGMENT_FIRST_EXTENT, -1, &at, err, "ii", no, mid) == -1)
      return -1;
    if (at < 0)
      return record_corrupt (&r->sql, "a segment is missing", err);
    if ((uint64_t)at <= first)
      low = mid;
    else
      high = mid;
  }
  *ord = low;
  return 0;
}

static int
read_extent (struct journal_reader *r, sqlite3_stmt *row, struct extent *e, struct error *err)
{
  uint64_t v[6];
  int i;

  for (i = 0; i < 6; i++) {
    v[i] = (uint64_t)sqlite3_column_int64 (row, i);
    if (v[i] > INT64_MAX / SECTOR)
      return record_corrupt (&r->sql, "an extent has an impossible number", err);
  }
  *e = (struct extent){
    .kind = v[4] > 0 ? EXTENT_COMPRESSED : EXTENT_DATA,
    .layer = (uint32_t)v[0],
    .guest = { v[1] * SECTOR },
    .len = v[2] * SECTOR,
    .host = { v[3] },
    .stored = v[4] > 0 ? v[4] : v[2] * SECTOR,
    .skip = (uint32_t)v[5],
  };
  return 0;
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

typedef int (*read_one) (struct journal_reader *r, sqlite3_stmt *row, struct extent *e,
                         struct error *err);

static int
read_extents (struct journal_reader *r, sqlite3_stmt *row, read_one one, struct extent *out,
              size_t max, size_t *n, struct error *err)
{
  int more;

  for (*n = 0; *n < max; ++*n) {
    more = sql_next (&r->sql, row, err);
    if (more != 0)
      return more == 1 ? 0 : -1;
    if (one (r, row, &out[*n], err) == -1 || check_extent (r, &out[*n], err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  sql_end (row);
  return 0;
}

int
journal_extents (struct journal_reader *r, int64_t no, uint64_t first, struct extent *out,
                 size_t max, size_t *n, struct error *err)
{
  sqlite3_stmt *row;
  int64_t ord = 0;

  *n = 0;
  if (know_disk (r, no, err) == -1 || find_segment (r, no, first, &ord, err) == -1
      || sql_start (&r->sql, SQL_EXTENTS, &row, err, "iiii", no, ord, (int64_t)first,
                    (int64_t)max)
             == -1)
    return -1;
  return read_extents (r, row, read_extent, out, max, n, err);
}

int
journal_zeros (struct journal_reader *r, int64_t no, uint64_t from_ord, struct extent *out,
               size_t max, size_t *n, struct error *err)
{
  sqlite3_stmt *row;

  *n = 0;
  if (know_disk (r, no, err) == -1
      || sql_start (&r->sql, SQL_ZEROS, &row, err, "iii", no, (int64_t)from_ord, (int64_t)max)
             == -1)
    return -1;
  return read_extents (r, row, read_zero, out, max, n, err);
}
