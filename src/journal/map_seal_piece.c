/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_seal_piece: the map of a stream, sealed a segment at a time (J2), because its tables come
 * when they come.  What a later run takes must be what an earlier one took: the same bytes give
 * the same segments in the same order.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "journal/map_build.h"
#include "journal/record.h"

struct take {
  struct journal_map *m;
  uint32_t layer;
  uint64_t from, to;      /* host offsets, within one piece */
  struct segment seg;     /* as it grows */
  sqlite3_stmt *recorded; /* the extents of an earlier run */
};

static int
changed (const struct journal_map *m, uint64_t at, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%.512s: the tables for host offset %" PRIu64 " are not those this import began "
               "with; start anew with --restart",
               m->layer[0].url, at);
}

/* The first pending extent of the range decides the piece.  1: there is none. */
static int
find_piece (struct take *t, uint64_t end, struct error *err)
{
  struct journal_map *m = t->m;
  sqlite3_stmt *row;
  struct extent e;
  int r;

  if (sql_start (&m->stage, SQL_STAGE_PENDING, &row, err, "iii", (int64_t)t->layer,
                 (int64_t)t->from, (int64_t)end)
      == -1)
    return -1;
  r = sql_next (&m->stage, row, err);
  if (r != 0)
    return r;
  map_read_extent (row, &e);
  sql_end (row);
  t->from = e.host.v;
  map_start_segment (m, &t->seg, m->again.taken, m->again.taken_extents, &e);
  t->to = min_u64 (end, t->seg.at.v + m->layer[t->layer].segment_size);
  return 0;
}

typedef int (*take_row) (struct take *t, const struct extent *e, struct error *err);

static int
each_pending (struct take *t, take_row row, struct error *err)
{
  struct sql *stage = &t->m->stage;
  struct extent held = { 0 }, e;
  sqlite3_stmt *st;
  int r;

  if (sql_start (stage, SQL_STAGE_PENDING, &st, err, "iii", (int64_t)t->layer, (int64_t)t->from,
                 (int64_t)t->to)
      == -1)
    return -1;
  while ((r = sql_next (stage, st, err)) == 0) {
    map_read_extent (st, &e);
    if (map_continues (&held, &e, 0)) {
      held.len += e.len;
      held.stored += e.len;
      continue;
    }
    if (held.len > 0 && row (t, &held, err) == -1) {
      sql_end (st);
      return -1;
    }
    held = e;
  }
  return r == -1 ? -1 : row (t, &held, err);
}

static int
store_row (struct take *t, const struct extent *e, struct error *err)
{
  uint64_t ord = t->seg.first_extent + t->seg.extents;

  if (map_check_tables (t->m, e, err) == -1
      || map_put_extent (t->m, ord, &t->seg, e, err) == -1)
    return -1;
  map_grow_segment (&t->seg, e);
  return 0;
}

static int
store (struct take *t, struct error *err)
{
  struct journal_map *m = t->m;
  struct sql *s = &m->j->sql;

  m->rows.n = 0; /* of one that failed */
  if (each_pending (t, store_row, err) == -1 || map_put_segment (m, &t->seg, err) == -1
      || sql_run (s, SQL_IMPORT_TAKE, err, "iiiiiiii", m->no, (int64_t)t->seg.ord,
                  (int64_t)t->seg.extents,
                  (int64_t)max_u64 (m->totals.guest, m->handed.guest + t->seg.guest_bytes),
                  (int64_t)t->seg.need.len, wall_ms (), (int64_t)m->totals.zeros,
                  (int64_t)max_u64 (m->totals.stored, m->handed.stored + t->seg.need.len))
             == -1)
    return -1;
  if (sql_changed (s) != 1)
    return fail (err, ERR_INTERNAL, "journal %s: a stream's map was changed by another",
                 s->path);
  return 0;
}

static int
compare_row (struct take *t, const struct extent *e, struct error *err)
{
  sqlite3_stmt *row = t->recorded;
  uint64_t stored = e->kind == EXTENT_COMPRESSED ? e->stored : 0;
  int r = sql_next (&t->m->j->sql, row, err);

  if (r == -1)
    return -1;
  if (r == 1 || e->layer != t->layer || sql_u64 (row, 0) * SECTOR != e->guest.v
      || sql_u64 (row, 1) * SECTOR != e->len || t->seg.at.v + sql_u64 (row, 2) != e->host.v
      || sql_u64 (row, 3) != stored || sql_u64 (row, 4) != e->skip)
    return changed (t->m, e->host.v, err);
  map_grow_segment (&t->seg, e);
  return 0;
}

static int
read_recorded (struct take *t, struct segment *out, struct error *err)
{
  struct sql *s = &t->m->j->sql;
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_SEGMENTS, &row, err, "iii", t->m->no, (int64_t)t->seg.ord, (int64_t)1)
      == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r == 1)
    return record_corrupt (s, "a segment of a stream is missing", err);
  if (r == -1)
    return -1;
  r = record_read_segment (row, s, out, err);
  sql_end (row);
  return r;
}

static int
compare (struct take *t, struct error *err)
{
  struct sql *s = &t->m->j->sql;
  struct segment was;
  int r;

  if (read_recorded (t, &was, err) == -1)
    return -1;
  if (was.layer != t->layer || was.at.v != t->seg.at.v
      || was.first_extent != t->seg.first_extent)
    return changed (t->m, t->from, err);
  if (sql_start (s, SQL_EXTENTS, &t->recorded, err, "iii", t->m->no, (int64_t)was.first_extent,
                 (int64_t)was.extents)
      == -1)
    return -1;
  r = each_pending (t, compare_row, err);
  sql_end (t->recorded);
  if (r == -1)
    return -1;
  if (was.extents != t->seg.extents || host_end (was.need) != host_end (t->seg.need))
    return changed (t->m, t->from, err);
  t->seg = was;
  return 0;
}

/* A lost commit is found again the same (J3), so that no sync is needed here. */
static int
take_locked (struct take *t, struct error *err)
{
  struct journal *j = t->m->j;
  LOCKED (j);

  if (t->m->again.taken < t->m->again.recorded)
    return compare (t, err);
  if (t->m->again.was_sealed)
    return changed (t->m, t->from, err);
  if (tx_begin_of (j, t->m->no, PROGRESS, err) == -1)
    return -1;
  return tx_end (j, store (t, err), err);
}

int
journal_map_take (struct journal_map *m, uint32_t layer, struct host_range r,
                  struct segment *seg, struct error *err)
{
  struct take t = { .m = m, .layer = layer, .from = r.at.v };
  int found;

  if (layer >= m->layers || !host_range_within (r, INT64_MAX))
    return fail (err, ERR_INTERNAL, "an impossible piece of a stream at %" PRIu64, r.at.v);
  if (map_flush (m, err) == -1)
    return -1;
  found = find_piece (&t, host_end (r), err);
  if (found != 0)
    return found;
  if (take_locked (&t, err) == -1)
    return -1;
  m->again.taken++;
  m->again.taken_extents += t.seg.extents;
  m->handed.guest += t.seg.guest_bytes;
  m->handed.stored += t.seg.need.len;
  *seg = t.seg;
  return sql_run (&m->stage, SQL_STAGE_TAKE, err, "iii", (int64_t)layer, (int64_t)t.from,
                  (int64_t)t.to);
}

int
map_take_rest (struct journal_map *m, struct error *err)
{
  struct host_range all = { { 0 }, INT64_MAX };
  struct segment seg;
  uint32_t layer;
  int r;

  for (layer = 0; layer < m->layers; layer++) {
    while ((r = journal_map_take (m, layer, all, &seg, err)) == 0)
      ;
    if (r == -1)
      return -1;
  }
  return m->again.taken < m->again.recorded ? changed (m, 0, err) : 0;
}
