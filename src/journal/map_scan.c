/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_scan: the staged map in the order in which it is stored, and the search for overlaps, in
 * one pass: of what came before only the furthest end is kept.
 *
 * A table of the image may overlap nothing.  Guest data may share host clusters with guest
 * data, and a compressed cluster's last sector is counted whole although it may be padding.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/map_build.h"

/* What reaches furthest so far. */
struct reach {
  uint64_t at, end; /* end 0: nothing yet */
  char what[64];
};

struct scan {
  struct journal_map *m;
  sqlite3_stmt *extents, *tables; /* EXTENTS NULL: those in memory, from NEXT_FEW on */
  size_t next_few;
  uint32_t layer;
  struct reach data, table;
  bool more_tables;
  uint32_t table_layer; /* of the next table, if there is one */
  struct reach next;
  struct extent held; /* not handed out yet; len 0: none */
};

/* Where the bytes of E surely end: the last sector of a compressed one may be padding. */
static uint64_t
sure_end (const struct extent *e)
{
  uint64_t end = extent_host_end (e);

  if (e->kind != EXTENT_COMPRESSED)
    return end;
  return end - e->host.v <= SECTOR - 1 ? e->host.v + 1 : end - (SECTOR - 1);
}

void
map_read_extent (sqlite3_stmt *row, struct extent *e)
{
  uint64_t stored = (uint64_t)sqlite3_column_int64 (row, 4);

  *e = (struct extent){
    .kind = stored > 0 ? EXTENT_COMPRESSED : EXTENT_DATA,
    .layer = (uint32_t)sqlite3_column_int64 (row, 0),
    .host = { (uint64_t)sqlite3_column_int64 (row, 1) },
    .guest = { (uint64_t)sqlite3_column_int64 (row, 2) },
    .len = (uint64_t)sqlite3_column_int64 (row, 3),
    .skip = (uint32_t)sqlite3_column_int64 (row, 5),
  };
  e->stored = stored > 0 ? stored : e->len;
}

static int
overlap (const struct journal_map *m, uint32_t layer, const struct reach *a,
         const struct reach *b, struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "%.512s: the %s at host offset %" PRIu64 " overlaps the %s at host offset "
               "%" PRIu64 "; the image is damaged: get a good copy of it",
               m->layer[layer].url, b->what, b->at, a->what, a->at);
}

static struct reach
reach_of (const struct extent *e)
{
  struct reach r = { .at = e->host.v, .end = sure_end (e) };

  snprintf (r.what, sizeof r.what, "data of guest offset %" PRIu64, e->guest.v);
  return r;
}

/* Text is made only for a message. */
static void
reach_out (struct reach *far, const struct extent *e)
{
  uint64_t end = sure_end (e);

  if (end <= far->end)
    return;
  far->at = e->host.v;
  far->end = end;
  memcpy (far->what, "guest data", sizeof "guest data");
}

static void
enter_layer (struct scan *s, uint32_t layer)
{
  if (layer == s->layer)
    return;
  s->layer = layer;
  s->data.end = s->table.end = 0;
}

static int
read_table (struct scan *s, struct error *err)
{
  int r = sql_next (&s->m->stage, s->tables, err);

  s->more_tables = r == 0;
  if (r != 0)
    return r == 1 ? 0 : -1;
  s->table_layer = (uint32_t)sqlite3_column_int64 (s->tables, 0);
  s->next.at = (uint64_t)sqlite3_column_int64 (s->tables, 1);
  s->next.end = s->next.at + (uint64_t)sqlite3_column_int64 (s->tables, 2);
  snprintf (s->next.what, sizeof s->next.what, "%s", sqlite3_column_text (s->tables, 3));
  return 0;
}

/* Tables that start at or before host offset AT of LAYER. */
static int
pass_tables (struct scan *s, uint32_t layer, uint64_t at, struct error *err)
{
  while (s->more_tables
         && (s->table_layer < layer || (s->table_layer == layer && s->next.at <= at))) {
    enter_layer (s, s->table_layer);
    if (s->next.at < s->table.end)
      return overlap (s->m, s->layer, &s->table, &s->next, err);
    if (s->next.at < s->data.end)
      return overlap (s->m, s->layer, &s->data, &s->next, err);
    s->table = s->next;
    if (read_table (s, err) == -1)
      return -1;
  }
  enter_layer (s, layer);
  return 0;
}

static int
check_one (struct scan *s, const struct extent *e, struct error *err)
{
  if (pass_tables (s, e->layer, e->host.v, err) == -1)
    return -1;
  if (e->host.v < s->table.end) {
    struct reach data = reach_of (e);

    return overlap (s->m, e->layer, &s->table, &data, err);
  }
  reach_out (&s->data, e);
  return 0;
}

/* Hand out what is held, and hold E; or let E continue it. */
static int
merge (struct scan *s, const struct extent *e, map_row row, void *ctx, struct error *err)
{
  if (map_continues (&s->held, e, s->m->layer[e->layer].segment_size)) {
    s->held.len += e->len;
    s->held.stored += e->len;
    return 0;
  }
  if (s->held.len > 0 && row (ctx, &s->held, err) == -1)
    return -1;
  s->held = *e;
  return 0;
}

/* 0: *E is one; 1: there are no more. */
static int
next_extent (struct scan *s, struct extent *e, struct error *err)
{
  struct journal_map *m = s->m;
  int r;

  if (s->extents != NULL) {
    r = sql_next (&m->stage, s->extents, err);
    if (r == 0)
      map_read_extent (s->extents, e);
    return r;
  }
  if (s->next_few == m->few.n)
    return 1;
  *e = m->few.at[s->next_few++];
  return 0;
}

static int
scan_all (struct scan *s, map_row row, void *ctx, struct error *err)
{
  struct extent e;
  int r;

  if (read_table (s, err) == -1)
    return -1;
  while ((r = next_extent (s, &e, err)) == 0)
    if (check_one (s, &e, err) == -1 || merge (s, &e, row, ctx, err) == -1)
      return -1;
  if (r == -1 || (s->held.len > 0 && row (ctx, &s->held, err) == -1))
    return -1;
  return pass_tables (s, JOURNAL_LAYERS_MAX, UINT64_MAX, err);
}

static int
by_order (const void *a, const void *b)
{
  return map_before (a, b) ? -1 : map_before (b, a);
}

/* So that next_extent gives them in their order. */
static int
start_extents (struct scan *s, struct error *err)
{
  struct journal_map *m = s->m;
  bool sort = m->stream || !m->held.in_host_order;

  if (m->few.most == 0)
    return sql_start (&m->stage,
                      sort ? SQL_STAGE_EXTENTS_SORTED : SQL_STAGE_EXTENTS_AS_THEY_CAME,
                      &s->extents, err, "");
  if (sort)
    qsort (m->few.at, m->few.n, sizeof *m->few.at, by_order);
  return 0;
}

int
map_scan (struct journal_map *m, map_row row, void *ctx, struct error *err)
{
  struct scan s = { .m = m };
  int r = -1;

  if (start_extents (&s, err) == 0
      && sql_start (&m->stage, SQL_STAGE_TABLES, &s.tables, err, "") == 0) {
    r = scan_all (&s, row, ctx, err);
    sql_end (s.tables);
  }
  if (s.extents != NULL)
    sql_end (s.extents);
  return r;
}

static int
merge_zero (struct extent *held, const struct extent *z, map_row row, void *ctx,
            struct error *err)
{
  if (held->len > 0 && held->kind == z->kind && held->layer == z->layer
      && extent_guest_end (held) == z->guest.v) {
    held->len += z->len;
    return 0;
  }
  if (held->len > 0 && row (ctx, held, err) == -1)
    return -1;
  *held = *z;
  return 0;
}

int
map_scan_zeros (struct journal_map *m, map_row row, void *ctx, struct error *err)
{
  struct extent held = { 0 };
  sqlite3_stmt *st;
  int r;

  if (sql_start (&m->stage,
                 m->held.zeros_in_order ? SQL_STAGE_ZEROS_AS_THEY_CAME : SQL_STAGE_ZEROS_SORTED,
                 &st, err, "")
      == -1)
    return -1;
  while ((r = sql_next (&m->stage, st, err)) == 0) {
    struct extent z = {
      .kind = sqlite3_column_int (st, 2) ? EXTENT_HOLE : EXTENT_ZERO,
      .layer = (uint32_t)sqlite3_column_int64 (st, 3),
      .guest = { (uint64_t)sqlite3_column_int64 (st, 0) },
      .len = (uint64_t)sqlite3_column_int64 (st, 1),
    };

    if (merge_zero (&held, &z, row, ctx, err) == -1) {
      sql_end (st);
      return -1;
    }
  }
  if (r == -1)
    return -1;
  return held.len > 0 ? row (ctx, &held, err) : 0;
}

/* Those that start before its end: the last one suffices, for tables overlap no others. */
int
map_check_tables (struct journal_map *m, const struct extent *e, struct error *err)
{
  struct reach data = reach_of (e), table;
  sqlite3_stmt *row;
  int r;

  if (sql_start (&m->stage, SQL_STAGE_TABLE_BEFORE, &row, err, "ii", (int64_t)e->layer,
                 (int64_t)data.end)
      == -1)
    return -1;
  r = sql_next (&m->stage, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  table.at = (uint64_t)sqlite3_column_int64 (row, 1);
  table.end = table.at + (uint64_t)sqlite3_column_int64 (row, 2);
  snprintf (table.what, sizeof table.what, "%s", sqlite3_column_text (row, 3));
  sql_end (row);
  return table.end > data.at ? overlap (m, e->layer, &table, &data, err) : 0;
}
