/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_seal: the scanned map becomes rows of the journal, in batches, so that other imports can
 * commit between them; then one small transaction makes it the map (J2).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "journal/map_build.h"
#include "journal/record.h"

enum { BATCH = 20000 };

struct seal {
  struct journal_map *m;
  struct digest digest;
  bool store; /* false: the digest and the checks only */
  bool in_batch;
  unsigned rows;      /* of this batch */
  struct segment seg; /* extents 0 and need.len 0: none begun */
  bool begun;
  uint64_t next_piece; /* of layer 0: pieces before it have their segments */
  uint64_t segments, extents, zero_runs, guest_total, zero_total, need_max, image_total;
  uint64_t needed_to; /* furthest need so far, in NEEDED_LAYER */
  uint32_t needed_layer;
};

static void
seal_start (struct seal *s, struct journal_map *m, bool store)
{
  uint64_t size[JOURNAL_LAYERS_MAX];
  unsigned i;

  memset (s, 0, sizeof *s);
  s->m = m;
  s->store = store;
  for (i = 0; i < m->layers; i++)
    size[i] = m->layer[i].segment_size;
  map_digest_start (&s->digest, m->virtual_size, m->layers, size);
}

/* ---- Batches ----------------------------------------------------------------------------- */

static int
end_batch (struct seal *s, int result, struct error *err)
{
  if (!s->in_batch)
    return result;
  s->in_batch = false;
  s->rows = 0;
  result = tx_end (s->m->j, result, err);
  pthread_mutex_unlock (&s->m->j->lock);
  return result;
}

/* Room for one more row. */
static int
batch (struct seal *s, struct error *err)
{
  if (s->in_batch && s->rows++ < BATCH)
    return 0;
  if (end_batch (s, 0, err) == -1)
    return -1;
  if (s->m->stop != NULL && *s->m->stop)
    return fail (err, ERR_INTERRUPTED, "interrupted while the map was stored");
  pthread_mutex_lock (&s->m->j->lock);
  if (tx_begin_of (s->m->j, s->m->no, PROGRESS, err) == -1) {
    pthread_mutex_unlock (&s->m->j->lock);
    return -1;
  }
  s->in_batch = true;
  s->rows = 1;
  return 0;
}

/* ---- Rows -------------------------------------------------------------------------------- */

/* Bytes that two segments both need are fetched once. */
static void
count_need (struct seal *s)
{
  uint64_t from = s->seg.need.at.v, to = host_end (s->seg.need);

  s->need_max = max_u64 (s->need_max, s->seg.need.len);
  if (s->needed_layer != s->seg.layer) {
    s->needed_layer = s->seg.layer;
    s->needed_to = 0;
  }
  from = max_u64 (from, s->needed_to);
  if (to > from)
    s->image_total += to - from;
  s->needed_to = max_u64 (s->needed_to, to);
}

static int
close_segment (struct seal *s, struct error *err)
{
  if (!s->begun)
    return 0;
  s->begun = false;
  count_need (s);
  s->segments++;
  return batch (s, err) == -1 ? -1 : map_put_segment (s->m, &s->seg, err);
}

/* For the SHA-256 of the image every byte of its file is fetched, whether a guest byte needs
 * it or not: pieces of layer 0 up to TO. */
static int
fill_pieces (struct seal *s, uint64_t to, struct error *err)
{
  const struct staged_layer *image = &s->m->layer[0];

  if (!s->m->hash_image || image->length == UINT64_MAX)
    return 0;
  for (to = min_u64 (to, image->length); s->next_piece < to;
       s->next_piece += image->segment_size) {
    memset (&s->seg, 0, sizeof s->seg);
    s->seg.ord = s->segments;
    s->seg.at.v = s->seg.need.at.v = s->next_piece;
    s->seg.need.len = min_u64 (image->segment_size, image->length - s->next_piece);
    s->seg.first_extent = s->extents;
    s->begun = true;
    if (close_segment (s, err) == -1)
      return -1;
  }
  return 0;
}

static void
need_whole_piece (struct seal *s)
{
  const struct staged_layer *image = &s->m->layer[0];
  uint64_t end;

  if (!s->m->hash_image || s->seg.layer != 0 || image->length == UINT64_MAX)
    return;
  end = max_u64 (s->seg.at.v, min_u64 (image->length, s->seg.at.v + image->segment_size));
  s->seg.need.at = s->seg.at;
  s->seg.need.len = end - s->seg.at.v;
  s->next_piece = s->seg.at.v + image->segment_size;
}

static int
begin_segment (struct seal *s, const struct extent *e, struct error *err)
{
  uint64_t at = align_down (e->host.v, s->m->layer[e->layer].segment_size);

  if (s->begun && s->seg.layer == e->layer && s->seg.at.v == at)
    return 0;
  if (close_segment (s, err) == -1
      || fill_pieces (s, e->layer == 0 ? at : UINT64_MAX, err) == -1)
    return -1;
  map_start_segment (s->m, &s->seg, s->segments, s->extents, e);
  need_whole_piece (s);
  s->begun = true;
  return 0;
}

static int
add_row (void *ctx, const struct extent *e, struct error *err)
{
  struct seal *s = ctx;

  map_digest_add (&s->digest, e);
  s->guest_total += e->len;
  if (!s->store)
    return 0;
  if (begin_segment (s, e, err) == -1 || batch (s, err) == -1
      || map_put_extent (s->m, s->extents, &s->seg, e, err) == -1)
    return -1;
  map_grow_segment (&s->seg, e);
  if (s->m->few.most > 0)
    s->m->few.at[s->extents] = *e; /* merged, so never ahead of where the scan reads */
  s->extents++;
  return 0;
}

static int
add_zero (void *ctx, const struct extent *z, struct error *err)
{
  struct seal *s = ctx;

  map_digest_add (&s->digest, z);
  s->guest_total += z->len;
  s->zero_total += z->len;
  if (s->m->again.was_sealed)
    return 0;
  if (batch (s, err) == -1)
    return -1;
  return sql_run (&s->m->j->sql, SQL_ZERO_RUN_ADD, err, "iiiiii", s->m->no,
                  (int64_t)s->zero_runs++, (int64_t)(z->guest.v / SECTOR),
                  (int64_t)(z->len / SECTOR), (int64_t)(z->kind == EXTENT_HOLE),
                  (int64_t)z->layer);
}

static int
add_all (struct seal *s, struct error *err)
{
  if (map_scan (s->m, add_row, s, err) == -1)
    return -1;
  if (s->store && (close_segment (s, err) == -1 || fill_pieces (s, UINT64_MAX, err) == -1))
    return -1;
  return map_scan_zeros (s->m, add_zero, s, err);
}

/* J6: what nobody mentioned would never be written. */
static int
check_whole (const struct seal *s, struct error *err)
{
  if (s->m->keep_holes ? s->guest_total <= s->m->virtual_size
                       : s->guest_total == s->m->virtual_size)
    return 0;
  return fail (err, ERR_INTERNAL,
               "the map covers %" PRIu64 " bytes of a disk of %" PRIu64 ": please report this",
               s->guest_total, s->m->virtual_size);
}

/* ---- The seal ---------------------------------------------------------------------------- */

static int
put_seal (struct seal *s, const uint8_t digest[DIGEST_SIZE], struct error *err)
{
  struct journal *j = s->m->j;
  int r;
  LOCKED (j);

  if (tx_begin_of (j, s->m->no, DURABLE, err) == -1)
    return -1;
  r = sql_run (&j->sql, SQL_IMPORT_SEAL, err, "iiiiiiibiii", s->m->no, (int64_t)s->segments,
               (int64_t)s->extents, (int64_t)s->zero_runs, (int64_t)s->guest_total,
               (int64_t)s->need_max, (int64_t)s->image_total, digest, (size_t)DIGEST_SIZE,
               wall_ms (), (int64_t)s->m->hash_image, (int64_t)s->zero_total);
  if (r == 0 && sql_changed (&j->sql) != 1)
    r = fail (err, ERR_INTERNAL, "journal %s: a map was to be sealed twice", j->sql.path);
  return tx_end (j, r, err);
}

/* A sealed map never changes: what was read again must be the same. */
static int
compare_sealed (const uint8_t digest[DIGEST_SIZE], const struct journal_import *now,
                const struct journal_map *m, struct error *err)
{
  if (memcmp (digest, now->map_digest, DIGEST_SIZE) == 0)
    return 0;
  return fail (err, ERR_SOURCE_CHANGED,
               "%.512s: its tables are not those this import began with; start anew with "
               "--restart, or give the right --url",
               m->layer[0].url);
}

/* Totals that a stream has gathered. */
static int
stream_totals (struct seal *s, struct error *err)
{
  struct journal_import now;
  LOCKED (s->m->j);

  if (record_read_import (&s->m->j->sql, s->m->no, &now, err) == -1)
    return -1;
  s->segments = now.segments;
  s->extents = now.extents;
  s->need_max = now.need_max;
  s->image_total = now.image_total;
  if (s->m->again.was_sealed)
    return 0;
  assert (import_lock_have (&s->m->j->locks, s->m->no));
  return map_purge_rows (s->m->j, SQL_ZERO_RUN_PURGE, s->m->no, err);
}

static int
read_back (struct journal_map *m, struct journal_import *imp, struct error *err)
{
  LOCKED (m->j);

  return record_read_import (&m->j->sql, m->no, imp, err);
}

int
journal_map_seal (struct journal_map *m, struct journal_import *imp, struct error *err)
{
  uint8_t digest[DIGEST_SIZE];
  struct seal s;

  m->hash_image = imp->hash_image; /* whether all of the file is fetched is known only now */
  seal_start (&s, m, !m->stream && !m->again.was_sealed);
  if (map_flush (m, err) == -1)
    return -1;
  if (m->stream && (map_take_rest (m, err) == -1 || stream_totals (&s, err) == -1))
    return -1;
  if (end_batch (&s, add_all (&s, err), err) == -1 || check_whole (&s, err) == -1)
    return -1;
  digest_peek (&s.digest, digest);
  if (!m->again.was_sealed && put_seal (&s, digest, err) == -1)
    return -1;
  if (s.store && m->few.most > 0)
    m->few.n = m->few.kept = s.extents;
  if (read_back (m, imp, err) == -1)
    return -1;
  return compare_sealed (digest, imp, m, err);
}

int
journal_map_digest (struct journal_map *m, uint8_t out[DIGEST_SIZE], struct error *err)
{
  struct seal s;

  seal_start (&s, m, false);
  if (map_flush (m, err) == -1 || map_scan (m, add_row, &s, err) == -1)
    return -1;
  if (map_scan_zeros (m, add_row, &s, err) == -1)
    return -1;
  digest_peek (&s.digest, out);
  return 0;
}
