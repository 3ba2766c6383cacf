/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_place: where the bytes of a piece go: to the copy, if an extent says so by now; into
 * the spool, as long as a table that is still to come may say so; nowhere.  Of a resumed import
 * what is committed is not written again, but must be what it was (J4).
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "forward/stream_check.h"

enum { EXTENT_BATCH = 512 };

/* ---- Bits ---------------------------------------------------------------------------------
 */

static bool
bit (const struct stream_bits *b, uint64_t i)
{
  return i / 8 < b->size && (b->byte[i / 8] >> i % 8 & 1);
}

static int
set_bit (struct stream_bits *b, uint64_t i, struct error *err)
{
  if (i / 8 >= b->size) {
    size_t size = (size_t)max_u64 (4096, (i / 8 + 1) * 5 / 4);
    uint8_t *more = realloc (b->byte, size);

    if (more == NULL)
      return fail_memory (err, "the stream's map");
    memset (more + b->size, 0, size - b->size);
    b->byte = more;
    b->size = size;
  }
  b->byte[i / 8] |= (uint8_t)(1 << i % 8);
  return 0;
}

static int
note_dropped (struct stream *s, uint64_t from, uint64_t to, struct error *err)
{
  uint64_t unit;

  for (unit = from / s->places.unit; unit < to / s->places.unit; unit++)
    if (set_bit (&s->places.dropped, unit, err) == -1)
      return -1;
  return 0;
}

/* ---- What is expected ----------------------------------------------------------------------
 */

/* A long extent lies in many pieces, and each hands on its own part. */
static int
expect_late (struct stream *s, uint64_t from, uint64_t to, struct error *err)
{
  uint64_t piece, end = (to + s->piece - 1) / s->piece;

  for (piece = from / s->piece; piece < end; piece++)
    if (set_bit (&s->places.late, piece, err) == -1)
      return -1;
  if (s->places.late_from == s->places.late_to)
    s->places.late_from = s->places.late_to = from / s->piece;
  s->places.late_from = min_u64 (s->places.late_from, from / s->piece);
  s->places.late_to = max_u64 (s->places.late_to, end);
  return 0;
}

int
stream_expect (struct stream *s, const struct extent *e, struct error *err)
{
  uint64_t at = e->host.v, end = extent_host_end (e), to = min_u64 (end, s->window.at);

  if (e->kind == EXTENT_DATA)
    s->places.data_end = max_u64 (s->places.data_end, end);
  else
    s->places.compressed_end = max_u64 (s->places.compressed_end, end);
  if (e->kind == EXTENT_COMPRESSED && e->host.v >= s->places.last_compressed.host.v)
    s->places.last_compressed = *e;
  if (at >= s->window.at)
    return 0;
  for (; at < to; at = align_down (at, s->places.unit) + s->places.unit)
    if (bit (&s->places.dropped, at / s->places.unit))
      return fail (err, ERR_IMAGE_UNSUPPORTED,
                   "%s: guest offset %" PRIu64 " is stored at host offset %" PRIu64 ", which "
                   "went by before a table said so: a stream cannot go back; import the image "
                   "from a file or from a server that honours ranges",
                   stream_url (s), e->guest.v, at);
  return expect_late (s, e->host.v, to, err);
}

/* ---- Runs of extents -----------------------------------------------------------------------
 */

typedef int (*run_each) (struct stream *s, void *ctx, const struct stream_run *run,
                         struct error *err);

/* Up to where the bytes are E's alone: a compressed cluster ends somewhere in its last sector,
 * and a small one, of a table that is still to come, may lie whole in the rest of it. */
static uint64_t
sure_end (const struct extent *e)
{
  uint64_t end = extent_host_end (e);

  return e->kind == EXTENT_COMPRESSED ? max_u64 (e->host.v, align_down (end - 1, SECTOR)) : end;
}

static int
grow_run (struct stream *s, struct stream_run *run, const struct extent *e, run_each each,
          void *ctx, struct error *err)
{
  if (e->host.v > run->sure) {
    if (run->sure > run->from && each (s, ctx, run, err) == -1)
      return -1;
    run->from = run->sure = e->host.v;
  }
  run->sure = max_u64 (run->sure, sure_end (e));
  return 0;
}

/* Call EACH for every run that the extents of SEG cover; RUN is one that goes on, or none. */
static int
each_run (struct stream *s, const struct segment *seg, struct stream_run *run, run_each each,
          void *ctx, struct error *err)
{
  struct extent batch[EXTENT_BATCH];
  uint64_t i;
  size_t n, k;

  for (i = 0; i < seg->extents; i += n) {
    if (journal_extents (s->reader, seg, i, batch, EXTENT_BATCH, &n, err) == -1)
      return -1;
    for (k = 0; k < n; k++)
      if (grow_run (s, run, &batch[k], each, ctx, err) == -1)
        return -1;
  }
  return run->sure > run->from ? each (s, ctx, run, err) : 0;
}

/* What lay in the spool has its place: give back whole units. */
static int
drop_run (struct stream *s, void *ctx, const struct stream_run *run, struct error *err)
{
  uint64_t from = align_up (run->from, s->places.unit);
  uint64_t to = align_down (min_u64 (run->sure, s->window.at), s->places.unit);
  struct host_range r = { { from }, to - from };

  (void)ctx;
  if (from >= to)
    return 0;
  spool_drop (s->spool, r);
  return stream_all_parsed (s) ? 0 : note_dropped (s, from, to, err);
}

/* ---- Handing on ----------------------------------------------------------------------------
 */

/* The bytes that SEG needs: where they lie in the buffer, or a copy, which is *OWNED. */
static int
segment_bytes (struct stream *s, const struct segment *seg, const uint8_t **bytes,
               uint8_t **owned, struct error *err)
{
  if (host_end (seg->need) > s->window.at + 2 * s->piece)
    return fail (err, ERR_INTERNAL, "a segment of a stream reaches too far");
  if (seg->need.at.v >= s->window.at) {
    *bytes = s->window.buf + (seg->need.at.v - s->window.at);
    return 0;
  }
  *owned = malloc (seg->need.len);
  if (*owned == NULL)
    return fail_memory (err, "a segment of the stream");
  *bytes = *owned;
  return stream_read_host (s, seg->need.at, *owned, seg->need.len, err);
}

static int
submit (struct stream *s, const struct segment *seg, struct error *err)
{
  OWN_MEM uint8_t *owned = NULL;
  const uint8_t *bytes = NULL;

  s->places.segments++;
  if (segment_bytes (s, seg, &bytes, &owned, err) == -1
      || stream_check_committed (s, seg, bytes, err) == -1)
    return -1;
  s->result->handed_on = true;
  return seg->committed ? 0 : copy_submit (s->copy, seg, bytes, err);
}

int
stream_place_late (struct stream *s, struct error *err)
{
  struct stream_run none = { 0 };
  struct host_range r;
  struct segment seg;
  int rc;

  while (s->places.late_from < s->places.late_to && !bit (&s->places.late, s->places.late_from))
    s->places.late_from++;
  if (s->places.late_from == s->places.late_to)
    return 0;
  r.at.v = s->places.late_from * s->piece;
  r.len = s->piece;
  s->places.late.byte[s->places.late_from / 8] &= (uint8_t) ~(1 << s->places.late_from % 8);
  while ((rc = journal_map_take (s->map, 0, r, &seg, err)) == 0) {
    none = (struct stream_run){ 0 };
    if (submit (s, &seg, err) == -1 || each_run (s, &seg, &none, drop_run, NULL, err) == -1)
      return -1;
  }
  return rc == -1 ? -1 : 1;
}

/* ---- The piece -----------------------------------------------------------------------------
 */

/* Which sectors of a piece need not be spooled. */
struct marks {
  uint64_t from, to; /* host offsets of the piece */
  uint8_t *sector;
};

static void
mark (struct marks *m, uint64_t from, uint64_t to)
{
  from = max_u64 (align_up (from, SECTOR), m->from);
  to = min_u64 (align_down (to, SECTOR), m->to);
  if (from < to)
    memset (m->sector + (from - m->from) / SECTOR, 1, (to - from) / SECTOR);
}

static int
mark_run (struct stream *s, void *ctx, const struct stream_run *run, struct error *err)
{
  (void)err;
  mark (ctx, run->from, run->sure);
  s->places.reach = max_u64 (s->places.reach, run->sure);
  return 0;
}

/* Tables take their clusters alone, and were read. */
static void
mark_tables (const struct stream *s, struct marks *m)
{
  const struct qcow2_header *h = &s->header;
  uint64_t at = m->from, table;

  if (!s->tables.have_l1)
    return;
  mark (m, 0, h->cluster_size);
  mark (m, s->disk.l1.at.v, align_up (s->disk.l1.at.v + s->disk.l1.n * 8, h->cluster_size));
  mark (m, h->refcount_table.at.v, host_end (h->refcount_table));
  while (stream_parsed_table (s, at, m->to, &table)) {
    mark (m, table, table + h->cluster_size);
    at = table + h->cluster_size;
  }
}

static bool
unit_is_marked (const struct stream *s, const struct marks *m, uint64_t at)
{
  uint64_t i;

  if (at + s->places.unit > m->to)
    return false;
  for (i = at; i < at + s->places.unit; i += SECTOR)
    if (m->sector[(i - m->from) / SECTOR] == 0)
      return false;
  return true;
}

/* Spool the units of the piece that are not all marked; the others are gone. */
static int
spool_rest (struct stream *s, const struct marks *m, struct error *err)
{
  uint64_t at = m->from, end;

  while (at < m->to) {
    bool gone = unit_is_marked (s, m, at);
    int rc;

    for (end = at + s->places.unit; end < m->to && unit_is_marked (s, m, end) == gone;
         end += s->places.unit)
      ;
    end = min_u64 (end, m->to);
    if (gone)
      rc = note_dropped (s, at, end, err);
    else
      rc = spool_write (s->spool, (host_off){ at }, s->window.buf + (at - s->window.at),
                        (size_t)(end - at), err);
    if (rc == -1)
      return -1;
    at = end;
  }
  return 0;
}

/* Extents that begin in the piece, of tables that were seen. */
static int
place_known (struct stream *s, struct marks *m, struct error *err)
{
  struct host_range r = { { s->window.at }, s->piece };
  struct stream_run run = { 0 };
  struct segment seg;
  int rc;

  if (s->places.reach > s->window.at)
    run = (struct stream_run){ s->window.at, s->places.reach };
  mark (m, run.from, run.sure);
  while ((rc = journal_map_take (s->map, 0, r, &seg, err)) == 0) {
    if (submit (s, &seg, err) == -1 || each_run (s, &seg, &run, mark_run, m, err) == -1)
      return -1;
    run = (struct stream_run){ 0 };
  }
  return rc == -1 ? -1 : 0;
}

int
stream_place_piece (struct stream *s, struct error *err)
{
  struct marks m = { s->window.at, s->window.at + min_u64 (s->piece, s->window.have), NULL };
  OWN_MEM uint8_t *sector = calloc (1, (size_t)(s->piece / SECTOR));

  if (sector == NULL)
    return fail_memory (err, "a piece of the stream");
  m.sector = sector;
  if (s->copy != NULL) {
    if (place_known (s, &m, err) == -1)
      return -1;
    mark_tables (s, &m);
  }
  return stream_all_parsed (s) ? 0 : spool_rest (s, &m, err);
}
