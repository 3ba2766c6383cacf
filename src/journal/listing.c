/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * listing: rows for a callback, on a connection of their own, so that it may use the journal:
 * events, how far the disk is, the map.
 */
#include <stdio.h>
#include <string.h>

#include "journal/database.h"
#include "journal/record.h"
#include "journal/transaction.h"

static void
read_event (sqlite3_stmt *row, struct journal_event_row *e)
{
  e->at = sqlite3_column_int64 (row, 0);
  snprintf (e->kind, sizeof e->kind, "%s", sqlite3_column_text (row, 1));
  snprintf (e->detail, sizeof e->detail, "%s", sqlite3_column_text (row, 2));
}

static int
each_event (struct sql *s, int64_t no, journal_each_event each, void *ctx, struct error *err)
{
  struct journal_event_row e;
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_EVENT_ROWS, &row, err, "i", no) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    read_event (row, &e);
    if (each (ctx, &e, err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  return r == 1 ? 0 : -1;
}

int
journal_events (struct journal *j, const struct journal_import *imp, journal_each_event each,
                void *ctx, struct error *err)
{
  struct sql s;
  int r;

  if (database_open_reader (&s, j->path, err) == -1)
    return -1;
  r = each_event (&s, imp->no, each, ctx, err);
  sql_close (&s);
  return r;
}

static int
each_state (struct sql *s, int64_t no, journal_each_state each, void *ctx, struct error *err)
{
  static const enum extent_kind kinds[]
      = { EXTENT_DATA, EXTENT_COMPRESSED, EXTENT_ZERO, EXTENT_HOLE };
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_STATE_ROWS, &row, err, "i", no) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    struct guest_range range = { { sql_u64 (row, 0) }, sql_u64 (row, 1) };

    if (each (ctx, kinds[sqlite3_column_int64 (row, 2) & 3], range,
              sqlite3_column_int64 (row, 3) != 0, err)
        == -1) {
      sql_end (row);
      return -1;
    }
  }
  return r == 1 ? 0 : -1;
}

int
journal_states (struct journal *j, const struct journal_import *imp, journal_each_state each,
                void *ctx, struct error *err)
{
  struct sql s;
  int r;

  if (database_open_reader (&s, j->path, err) == -1)
    return -1;
  r = each_state (&s, imp->no, each, ctx, err);
  sql_close (&s);
  return r;
}

static int
each_sample (struct sql *s, int64_t no, journal_each_sample each, void *ctx, struct error *err)
{
  struct journal_sample one;
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_SAMPLE_ROWS, &row, err, "i", no) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    one = (struct journal_sample){ sql_u64 (row, 0), sql_u64 (row, 1), sql_u64 (row, 2) };
    if (each (ctx, &one, err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  return r == 1 ? 0 : -1;
}

int
journal_samples (struct journal *j, const struct journal_import *imp, journal_each_sample each,
                 void *ctx, struct error *err)
{
  struct sql s;
  int r;

  if (database_open_reader (&s, j->path, err) == -1)
    return -1;
  r = each_sample (&s, imp->no, each, ctx, err);
  sql_close (&s);
  return r;
}

static int
read_guest_extent (struct sql *s, sqlite3_stmt *row, const struct journal_import *imp,
                   struct extent *e, struct error *err)
{
  static const enum extent_kind kinds[]
      = { EXTENT_DATA, EXTENT_COMPRESSED, EXTENT_ZERO, EXTENT_HOLE };

  uint64_t guest = sql_u64 (row, 0), len = sql_u64 (row, 1),
           sectors = imp->virtual_size / SECTOR;

  if (len == 0 || len > sectors || guest > sectors - len || sql_u64 (row, 3) >= imp->layers)
    return record_corrupt (s, "a part of the map lies beyond the disk", err);
  *e = (struct extent){
    .kind = kinds[sqlite3_column_int64 (row, 2) & 3],
    .layer = (uint32_t)sqlite3_column_int64 (row, 3),
    .guest = { guest * SECTOR },
    .len = len * SECTOR,
    .host = { (uint64_t)sqlite3_column_int64 (row, 4) },
    .stored = (uint64_t)sqlite3_column_int64 (row, 5),
    .skip = (uint32_t)sqlite3_column_int64 (row, 6),
  };
  if (e->kind == EXTENT_DATA)
    e->stored = e->len;
  return 0;
}

struct guest_walk {
  journal_each_extent each;
  void *ctx;
  struct extent held; /* len 0: none */
  uint64_t at;        /* guest bytes before it were walked */
  uint32_t hole_layer;
};

static bool
joins (const struct extent *a, const struct extent *b)
{
  if (a->len == 0 || a->kind != b->kind || a->layer != b->layer
      || extent_guest_end (a) != b->guest.v || a->kind == EXTENT_COMPRESSED)
    return false;
  return a->kind != EXTENT_DATA || a->host.v + a->len == b->host.v;
}

static int
walk_one (struct guest_walk *w, const struct extent *e, struct error *err)
{
  w->at = extent_guest_end (e);
  if (joins (&w->held, e)) {
    w->held.len += e->len;
    w->held.stored += e->stored;
    return 0;
  }
  if (w->held.len > 0 && w->each (w->ctx, &w->held, err) == -1)
    return -1;
  w->held = *e;
  return 0;
}

/* What has no row was left as the target has it (--unallocated keep): a hole. */
static int
walk_gap (struct guest_walk *w, uint64_t to, struct error *err)
{
  struct extent hole
      = { .kind = EXTENT_HOLE, .layer = w->hole_layer, .guest = { w->at }, .len = to - w->at };

  return to > w->at ? walk_one (w, &hole, err) : 0;
}

static int
walk (struct sql *s, const struct journal_import *imp, struct guest_walk *w, struct error *err)
{
  struct extent e;
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_MAP_EACH, &row, err, "i", imp->no) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    if (read_guest_extent (s, row, imp, &e, err) == -1 || walk_gap (w, e.guest.v, err) == -1
        || walk_one (w, &e, err) == -1) {
      sql_end (row);
      return -1;
    }
  }
  if (r == -1 || walk_gap (w, imp->virtual_size, err) == -1)
    return -1;
  return w->held.len > 0 ? w->each (w->ctx, &w->held, err) : 0;
}

int
journal_map_each (struct journal *j, const struct journal_import *imp, journal_each_extent each,
                  void *ctx, struct error *err)
{
  struct guest_walk w = { .each = each, .ctx = ctx, .hole_layer = imp->layers - 1 };
  struct sql s;
  int r;

  if (!imp->sealed)
    return fail (err, ERR_USAGE, "import %s: its map is not complete yet; resume it first",
                 imp->id);
  if (database_open_reader (&s, j->path, err) == -1)
    return -1;
  r = walk (&s, imp, &w, err);
  sql_close (&s);
  return r;
}
