/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_build: staging.  While the network is slow nothing of the journal is locked: the map is
 * kept in memory first, and when it becomes large, in a temporary database, whose size in
 * memory is its small cache.
 */
#include "journal/map_build.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "journal/record.h"

/* 12 MiB of them, for as long as the import takes. */
enum { FEW = 1 << 18 };

/* J7: an entry of an image's table, of 8 bytes, may become a row of 32 in the journal, but a
 * cluster with subclusters becomes up to 32 of them, all with one host cluster behind them.  So
 * a map may have a row for every 8 bytes of tables that were read, and two for each MiB of the
 * disk, where long runs are cut at segments; and as many as take 1 GiB, whatever the image. */
enum { PIECES_FREE = 1 << 25, PIECE_TABLE = 8, PIECE_GUEST = 512 << 10 };

static int
make_stage (struct journal_map *m, struct error *err)
{
  if (sql_open (&m->stage, "", "(temporary, for a map)",
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err)
          == -1
      || sql_run (&m->stage, SQL_STAGE_FAST, err, "") == -1
      || sql_run (&m->stage, SQL_STAGE_CACHE, err, "") == -1
      || sql_run (&m->stage, SQL_SET_TEMP_FILE, err, "") == -1
      || sql_run (&m->stage, SQL_STAGE_TABLE_SCHEMA, err, "") == -1
      || sql_run (&m->stage, SQL_STAGE_ZERO_SCHEMA, err, "") == -1
      || sql_run (&m->stage,
                  m->stream ? SQL_STAGE_EXTENT_SCHEMA_STREAM : SQL_STAGE_EXTENT_SCHEMA, err, "")
             == -1)
    return -1;
  return sql_run (&m->stage, SQL_STAGE_BEGIN, err, "");
}

/* Rows of a map that a killed process did not seal are of no use; those of a stream are. */
static int
start_from (struct journal_map *m, struct error *err)
{
  struct journal_import now;
  LOCKED (m->j);

  if (record_read_import (&m->j->sql, m->no, &now, err) == -1)
    return -1;
  m->again.was_sealed = now.sealed;
  m->again.recorded = now.segments;
  if (now.sealed || m->stream)
    return 0;
  assert (import_lock_have (&m->j->locks, m->no));
  return map_purge (m->j, m->no, err);
}

static int
copy_layers (struct journal_map *m, const struct journal_layer *layers, struct error *err)
{
  unsigned i;

  for (i = 0; i < m->layers; i++) {
    uint64_t size = layers[i].segment_size;

    if (size < SECTOR || (size & (size - 1)) != 0)
      return fail (err, ERR_INTERNAL, "segment size %" PRIu64 " is no power of two", size);
    m->layer[i].segment_size = size;
    m->layer[i].length = layers[i].length;
    m->layer[i].url = strdup (layers[i].url);
    if (m->layer[i].url == NULL)
      return fail_memory (err, "the map");
  }
  return 0;
}

int
journal_map_begin (struct journal_map **out, struct journal *j,
                   const struct journal_import *imp, const struct journal_layer *layers,
                   struct error *err)
{
  OWN (journal_map) m = calloc (1, sizeof *m);

  if (m == NULL)
    return fail_memory (err, "the map");
  m->j = j;
  m->no = imp->no;
  m->virtual_size = imp->virtual_size;
  m->layers = imp->layers;
  m->stream = imp->stream;
  m->keep_holes = imp->keep_holes;
  m->hash_image = imp->hash_image;
  m->held.in_host_order = m->held.zeros_in_order = true;
  m->paid.pieces_free = PIECES_FREE;
  m->few.most = m->stream ? 0 : FEW; /* of a stream they are looked up again and again */
  if (copy_layers (m, layers, err) == -1 || start_from (m, err) == -1
      || make_stage (m, err) == -1)
    return -1;
  *out = m;
  m = NULL;
  return 0;
}

void
journal_map_close (struct journal_map *m)
{
  unsigned i;

  if (m == NULL)
    return;
  for (i = 0; i < m->layers; i++)
    free (m->layer[i].url);
  free (m->few.at);
  sql_close (&m->stage);
  free (m);
}

struct extent *
journal_map_keep (struct journal_map *m, size_t *n)
{
  struct extent *kept = m->few.at;

  *n = m->few.kept;
  if (m->few.kept == 0)
    return NULL;
  m->few.at = NULL;
  m->few.n = m->few.kept = m->few.cap = 0;
  return kept;
}

void
journal_map_stop_when (struct journal_map *m, const atomic_bool *stop)
{
  m->stop = stop;
}

/* ---- Adding ------------------------------------------------------------------------------ */

bool
map_before (const struct extent *a, const struct extent *b)
{
  if (a->layer != b->layer)
    return a->layer < b->layer;
  if (a->host.v != b->host.v)
    return a->host.v < b->host.v;
  return a->guest.v < b->guest.v;
}

static int
stage_row (struct journal_map *m, const struct extent *e, struct error *err)
{
  return sql_run (&m->stage, SQL_STAGE_EXTENT, err, "iiiiii", (int64_t)e->layer,
                  (int64_t)e->host.v, (int64_t)e->guest.v, (int64_t)e->len,
                  e->kind == EXTENT_COMPRESSED ? (int64_t)e->stored : (int64_t)0,
                  (int64_t)e->skip);
}

static int
check_pieces (const struct journal_map *m, struct error *err)
{
  if (m->paid.pieces <= m->paid.pieces_free + m->paid.tables_len / PIECE_TABLE
                            + m->paid.guest_len / PIECE_GUEST)
    return 0;
  return fail (err, ERR_IMAGE_TOO_LARGE,
               "%.512s: the disk is in more than %" PRIu64 " pieces, for tables of %" PRIu64
               " bytes; write it anew with qemu-img convert, without subclusters",
               m->layer[0].url, m->paid.pieces, m->paid.tables_len);
}

/* They have become too many: all of them into the database. */
static int
move_few (struct journal_map *m, struct error *err)
{
  size_t i;

  for (i = 0; i < m->few.n; i++)
    if (stage_row (m, &m->few.at[i], err) == -1)
      return -1;
  free (m->few.at);
  m->few.at = NULL;
  m->few.most = 0;
  return 0;
}

static int
keep_one (struct journal_map *m, const struct extent *e, struct error *err)
{
  if (m->few.n == m->few.cap) {
    size_t cap = m->few.cap == 0 ? 256 : 2 * m->few.cap;
    struct extent *more = reallocarray (m->few.at, cap, sizeof *more);

    if (more == NULL)
      return fail_memory (err, "the map");
    m->few.at = more;
    m->few.cap = cap;
  }
  m->few.at[m->few.n++] = *e;
  return 0;
}

void
map_count_needed (const struct extent *e, uint64_t *needed, uint64_t *to)
{
  uint64_t end = extent_host_end (e), from = max_u64 (e->host.v, *to);

  if (e->layer != 0 || end <= from)
    return;
  *needed += end - from;
  *to = end;
}

static int
stage_one (struct journal_map *m, const struct extent *e, struct error *err)
{
  m->paid.pieces++;
  if (check_pieces (m, err) == -1)
    return -1;
  if (m->held.last.len > 0 && map_before (e, &m->held.last))
    m->held.in_host_order = false;
  m->held.last = *e;
  map_count_needed (e, &m->needed, &m->needed_to);
  if (m->few.n < m->few.most)
    return keep_one (m, e, err);
  if (m->few.most > 0 && move_few (m, err) == -1)
    return -1;
  return stage_row (m, e, err);
}

/* Plain data is cut at the borders of segments before it is sorted: the pieces of a long run
 * may have others (that share its clusters) between them. */
static int
stage_run (struct journal_map *m, struct error *err)
{
  struct extent rest = m->held.run;
  uint64_t size = m->layer[rest.layer].segment_size;

  m->held.run.len = 0;
  while (rest.len > 0) {
    struct extent e = rest;

    e.len = min_u64 (rest.len, align_down (rest.host.v, size) + size - rest.host.v);
    e.stored = e.len;
    if (stage_one (m, &e, err) == -1)
      return -1;
    rest.guest.v += e.len;
    rest.host.v += e.len;
    rest.len -= e.len;
  }
  return 0;
}

static int
stage_zero (struct journal_map *m, struct error *err)
{
  struct extent z = m->held.zero;

  m->held.zero.len = 0;
  if (z.len == 0)
    return 0;
  if (z.guest.v < m->held.zero_end)
    m->held.zeros_in_order = false;
  m->held.zero_end = extent_guest_end (&z);
  m->paid.pieces++;
  if (check_pieces (m, err) == -1)
    return -1;
  return sql_run (&m->stage, SQL_STAGE_ZERO, err, "iiii", (int64_t)z.guest.v, (int64_t)z.len,
                  (int64_t)(z.kind == EXTENT_HOLE), (int64_t)z.layer);
}

int
map_flush (struct journal_map *m, struct error *err)
{
  if (m->held.run.len > 0 && stage_run (m, err) == -1)
    return -1;
  return stage_zero (m, err);
}

/* Our own bugs: what comes here was checked by those who read it. */
static int
check_extent (const struct journal_map *m, const struct extent *e, struct error *err)
{
  struct guest_range guest = { e->guest, e->len };
  struct host_range host = { e->host, e->stored };
  bool stored = e->kind == EXTENT_DATA || e->kind == EXTENT_COMPRESSED;

  if (e->layer < m->layers && e->len > 0 && is_aligned (e->guest.v | e->len, SECTOR)
      && guest_range_within (guest, m->virtual_size)
      && (!stored || (e->stored > 0 && host_range_within (host, INT64_MAX / 2)))
      && (e->kind != EXTENT_DATA || e->stored == e->len))
    return 0;
  return fail (err, ERR_INTERNAL,
               "the map has an impossible extent: layer %" PRIu32 ", guest offset %" PRIu64
               "+%" PRIu64 ", host offset %" PRIu64 "+%" PRIu64,
               e->layer, e->guest.v, e->len, e->host.v, e->stored);
}

bool
map_continues (const struct extent *a, const struct extent *b, uint64_t size)
{
  return a->len > 0 && a->kind == EXTENT_DATA && b->kind == EXTENT_DATA && a->layer == b->layer
         && extent_guest_end (a) == b->guest.v && a->host.v + a->len == b->host.v
         && (size == 0 || align_down (a->host.v, size) == align_down (b->host.v, size));
}

static int
add_data (struct journal_map *m, const struct extent *e, struct error *err)
{
  if (map_continues (&m->held.run, e, 0)) {
    m->held.run.len += e->len;
    return 0;
  }
  if (m->held.run.len > 0 && stage_run (m, err) == -1)
    return -1;
  m->held.run = *e;
  return 0;
}

static int
add_compressed (struct journal_map *m, const struct extent *e, struct error *err)
{
  if (m->held.run.len > 0 && stage_run (m, err) == -1)
    return -1;
  return stage_one (m, e, err);
}

static int
add_zero (struct journal_map *m, const struct extent *e, struct error *err)
{
  if (m->held.zero.len > 0 && m->held.zero.kind == e->kind && m->held.zero.layer == e->layer
      && extent_guest_end (&m->held.zero) == e->guest.v) {
    m->held.zero.len += e->len;
    return 0;
  }
  if (stage_zero (m, err) == -1)
    return -1;
  m->held.zero = *e;
  return 0;
}

int
journal_map_add (struct journal_map *m, const struct extent *e, struct error *err)
{
  if (check_extent (m, e, err) == -1)
    return -1;
  m->paid.guest_len += e->len;
  switch (e->kind) {
  case EXTENT_DATA:
    return add_data (m, e, err);
  case EXTENT_COMPRESSED:
    return add_compressed (m, e, err);
  case EXTENT_ZERO:
    return add_zero (m, e, err);
  case EXTENT_HOLE:
    return m->keep_holes ? 0 : add_zero (m, e, err);
  }
  return fail (err, ERR_INTERNAL, "the map has an extent of no kind");
}

void
journal_map_totals (struct journal_map *m, uint64_t guest, uint64_t zeros, uint64_t stored)
{
  m->totals.guest = guest;
  m->totals.zeros = zeros;
  m->totals.stored = stored;
}

void
journal_map_read (struct journal_map *m, uint64_t len)
{
  m->paid.tables_len += len;
}

/* Two tables at one place are refused at once, by the key; other overlaps in map_scan. */
int
journal_map_table (struct journal_map *m, uint32_t layer, struct host_range r, const char *what,
                   struct error *err)
{
  if (r.len == 0)
    return 0;
  if (layer >= m->layers || !host_range_within (r, INT64_MAX / 2))
    return fail (err, ERR_INTERNAL, "the map has an impossible table at %" PRIu64, r.at.v);
  journal_map_read (m, r.len);
  if (sql_run (&m->stage, SQL_STAGE_TABLE, err, "iiit", (int64_t)layer, (int64_t)r.at.v,
               (int64_t)r.len, what)
      == 0)
    return 0;
  if (sqlite3_errcode (m->stage.db) % 256 != SQLITE_CONSTRAINT)
    return -1;
  return fail (err, ERR_IMAGE_MALFORMED,
               "%.512s: two tables (one is the %s) share host offset %" PRIu64
               "; the image is damaged: get a good copy of it",
               m->layer[layer].url, what, r.at.v);
}

/* ---- Removing ---------------------------------------------------------------------------- */

int
map_purge_rows (struct journal *j, enum sql_name purge, int64_t no, struct error *err)
{
  do {
    if (sql_run (&j->sql, purge, err, "i", no) == -1)
      return -1;
  } while (sql_changed (&j->sql) > 0);
  return 0;
}

int
map_purge (struct journal *j, int64_t no, struct error *err)
{
  if (map_purge_rows (j, SQL_SEGMENT_PURGE, no, err) == -1
      || map_purge_rows (j, SQL_EXTENT_PURGE, no, err) == -1)
    return -1;
  return map_purge_rows (j, SQL_ZERO_RUN_PURGE, no, err);
}
