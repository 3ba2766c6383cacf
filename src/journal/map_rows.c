/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_rows: segments and their extents as rows of the journal, and the digest over a map.
 */
#include <string.h>

#include "base/bytes.h"
#include "journal/map_build.h"

/* ---- The digest -------------------------------------------------------------------------- */

void
map_digest_start (struct digest *d, uint64_t virtual_size, unsigned layers,
                  const uint64_t *segment_size)
{
  static const char magic[] = "qimport-map-1\n";
  uint8_t raw[8];
  unsigned i;

  digest_init (d);
  digest_update (d, magic, sizeof magic - 1);
  store_be64 (raw, virtual_size);
  digest_update (d, raw, sizeof raw);
  store_be64 (raw, layers);
  digest_update (d, raw, sizeof raw);
  for (i = 0; i < layers; i++) {
    store_be64 (raw, segment_size[i]);
    digest_update (d, raw, sizeof raw);
  }
}

void
map_digest_add (struct digest *d, const struct extent *e)
{
  uint8_t raw[44];
  bool zero = e->kind == EXTENT_ZERO || e->kind == EXTENT_HOLE;

  store_be32 (raw, (uint32_t)e->kind);
  store_be32 (raw + 4, e->layer);
  store_be64 (raw + 8, e->guest.v);
  store_be64 (raw + 16, e->len);
  store_be64 (raw + 24, zero ? 0 : e->host.v);
  store_be64 (raw + 32, zero ? 0 : e->stored);
  store_be32 (raw + 40, zero ? 0 : e->skip);
  digest_update (d, raw, sizeof raw);
}

/* ---- Rows -------------------------------------------------------------------------------- */

void
map_start_segment (const struct journal_map *m, struct segment *seg, uint64_t ord,
                   uint64_t first_extent, const struct extent *e)
{
  memset (seg, 0, sizeof *seg);
  seg->ord = ord;
  seg->layer = e->layer;
  seg->at.v = align_down (e->host.v, m->layer[e->layer].segment_size);
  seg->need.at = e->host;
  seg->first_extent = first_extent;
  seg->committed_to = e->host;
}

void
map_grow_segment (struct segment *seg, const struct extent *e)
{
  uint64_t end = max_u64 (host_end (seg->need), extent_host_end (e));

  seg->need.len = end - seg->need.at.v;
  seg->extents++;
  seg->guest_bytes += e->len;
}

/* Afterwards there is room again, also where it failed. */
static int
put_rows (struct journal_map *m, struct error *err)
{
  unsigned n = m->rows.n;
  int rc;

  if (n == 0)
    return 0;
  rc = sql_run (&m->j->sql, SQL_EXTENTS_ADD, err, "p", &m->rows, rows_pointer);
  m->rows.n = 0;
  if (rc == -1)
    return -1;
  if (sql_changed (&m->j->sql) == (int)n)
    return 0;
  return fail (err, ERR_INTERNAL, "journal %s: not all of the map was stored", m->j->sql.path);
}

int
map_put_extent (struct journal_map *m, uint64_t ord, const struct segment *seg,
                const struct extent *e, struct error *err)
{
  int64_t *row = m->rows.row[m->rows.n++];

  row[0] = (m->no << 40) + (int64_t)ord;
  row[1] = (int64_t)(e->guest.v / SECTOR);
  row[2] = (int64_t)(e->len / SECTOR);
  row[3] = (int64_t)(e->host.v - seg->at.v);
  row[4] = e->kind == EXTENT_COMPRESSED ? (int64_t)e->stored : 0;
  row[5] = (int64_t)e->skip;
  return m->rows.n == ROWS_MAX ? put_rows (m, err) : 0;
}

int
map_put_segment (struct journal_map *m, const struct segment *seg, struct error *err)
{
  if (put_rows (m, err) == -1)
    return -1;
  return sql_run (&m->j->sql, SQL_SEGMENT_ADD, err, "iiiiiiiii", m->no, (int64_t)seg->ord,
                  (int64_t)seg->layer, (int64_t)seg->at.v, (int64_t)seg->need.at.v,
                  (int64_t)host_end (seg->need), (int64_t)seg->first_extent,
                  (int64_t)seg->extents, (int64_t)seg->guest_bytes);
}
