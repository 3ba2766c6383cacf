/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: import from bytes that come once, in order: a pipe, or a server that does not honour
 * ranges.  Reads a piece ahead, so that a cluster that reaches over a border is whole; hands
 * segments to copy, and what has no place yet to the spool.
 */
#include "import/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_LEAST = 1 << 20, BUFFER = 4 * QCOW2_CLUSTER_MAX, EXTENT_BATCH = 512 };

/* ---- Bits --------------------------------------------------------------------------------- */

bool
stream_bit (const struct stream_bits *b, uint64_t i)
{
  return i / 8 < b->size && (b->byte[i / 8] >> i % 8 & 1);
}

int
stream_set_bit (struct stream_bits *b, uint64_t i, struct error *err)
{
  if (i / 8 >= b->size) {
    size_t size = (size_t)max_u64 (4096, (i / 8 + 1) * 3 / 2);
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

/* ---- Reading ------------------------------------------------------------------------------ */

/* The next bytes of the source, whether it honours ranges or not. */
static int
read_next (struct stream *s, uint8_t *buf, size_t max, size_t *got, struct error *err)
{
  struct source *source = s->q->sources[0];
  uint64_t len = s->q->records[0].length;
  struct source_want want = { { { s->pos }, 0 }, buf };

  if (!s->q->forced_stream)
    return source_stream_read (source, buf, max, got, err);
  want.range.len = min_u64 (max, len - s->pos);
  *got = (size_t)want.range.len;
  return *got == 0 ? 0 : source_read (source, &want, 1, err);
}

/* Fill the buffer, or to the end. */
static int
fill (struct stream *s, struct error *err)
{
  while (!s->ended && s->have < 2 * s->piece) {
    size_t got;

    if (read_next (s, s->buf + s->have, (size_t)(2 * s->piece - s->have), &got, err) == -1)
      return -1;
    if (got == 0) {
      s->ended = true;
      memset (s->buf + s->have, 0, BUFFER - s->have);
    }
    digest_update (&s->digest, s->buf + s->have, got);
    s->have += got;
    s->pos += got;
  }
  return 0;
}

int
stream_read_host (struct stream *s, host_off at, void *buf, size_t len, struct error *err)
{
  size_t before = at.v < s->at ? (size_t)min_u64 (len, s->at - at.v) : 0;

  if (before > 0 && spool_read (s->spool, at, buf, before, err) == -1)
    return -1;
  if (len > before)
    memcpy ((uint8_t *)buf + before, s->buf + (at.v + before - s->at), len - before);
  return 0;
}

/* ---- Placing ------------------------------------------------------------------------------ */

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

/* Call EACH for every run of host bytes that the extents of SEG cover. */
static int
each_run (struct stream *s, const struct segment *seg,
          int (*each) (struct stream *s, void *ctx, uint64_t from, uint64_t to, struct error *err),
          void *ctx, struct error *err)
{
  struct extent batch[EXTENT_BATCH];
  uint64_t i, from = 0, to = 0;
  size_t n, k;

  for (i = 0; i < seg->extents; i += n) {
    if (journal_extents (s->reader, s->q->imp.no, seg->first_extent + i, batch,
                         (size_t)min_u64 (EXTENT_BATCH, seg->extents - i), &n, err)
        == -1)
      return -1;
    if (n == 0)
      return fail (err, ERR_JOURNAL_CORRUPT, "%s: extents are missing",
                   journal_path (s->q->journal));
    for (k = 0; k < n; k++) {
      if (batch[k].host.v > to || to == 0) {
        if (to > 0 && each (s, ctx, from, to, err) == -1)
          return -1;
        from = batch[k].host.v;
      }
      to = max_u64 (to, extent_host_end (&batch[k]));
    }
  }
  return to > 0 ? each (s, ctx, from, to, err) : 0;
}

static int
mark_run (struct stream *s, void *ctx, uint64_t from, uint64_t to, struct error *err)
{
  (void)err;
  mark (ctx, from, to);
  s->placed_to = max_u64 (s->placed_to, to);
  return 0;
}

/* What lay in the spool has its place: give back whole units. */
static int
drop_run (struct stream *s, void *ctx, uint64_t from, uint64_t to, struct error *err)
{
  struct host_range r;
  uint64_t unit;

  (void)ctx;
  from = align_up (from, s->unit);
  to = align_down (min_u64 (to, s->at), s->unit);
  if (from >= to)
    return 0;
  r.at.v = from;
  r.len = to - from;
  spool_drop (s->spool, r);
  for (unit = from / s->unit; unit < to / s->unit; unit++)
    if (stream_set_bit (&s->dropped, unit, err) == -1)
      return -1;
  return 0;
}

static int
submit (struct stream *s, const struct segment *seg, struct error *err)
{
  OWN_MEM uint8_t *bytes = NULL;

  if (seg->committed)
    return 0;
  if (host_end (seg->need) > s->at + 2 * s->piece)
    return fail (err, ERR_INTERNAL, "a segment of a stream reaches too far");
  if (seg->need.at.v >= s->at)
    return copy_submit (s->q->copy, seg, s->buf + (seg->need.at.v - s->at), err);
  bytes = malloc (seg->need.len);
  if (bytes == NULL)
    return fail_memory (err, "a segment of the stream");
  if (stream_read_host (s, seg->need.at, bytes, seg->need.len, err) == -1)
    return -1;
  return copy_submit (s->q->copy, seg, bytes, err);
}

/* Extents whose table came after them: their bytes are in the spool. */
static int
place_late (struct stream *s, struct error *err)
{
  uint64_t i;

  for (i = 0; i < s->late.size * 8; i++) {
    struct host_range r = { { i * s->piece }, s->piece };
    struct segment seg;
    int rc;

    if (s->late.byte[i / 8] == 0) {
      i |= 7;
      continue;
    }
    if (!stream_bit (&s->late, i))
      continue;
    s->late.byte[i / 8] &= (uint8_t)~(1 << i % 8);
    rc = journal_map_take (s->map, 0, r, &seg, err);
    if (rc == -1)
      return -1;
    if (rc == 0
        && (submit (s, &seg, err) == -1 || each_run (s, &seg, drop_run, NULL, err) == -1))
      return -1;
  }
  return 0;
}

static void
mark_tables (const struct stream *s, struct marks *m)
{
  size_t low = 0, high = s->n_tables;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (s->tables[mid].at.v + s->tables[mid].len <= m->from)
      low = mid + 1;
    else
      high = mid;
  }
  for (; low < s->n_tables && s->tables[low].at.v < m->to; low++)
    if (s->tables[low].parsed)
      mark (m, s->tables[low].at.v, s->tables[low].at.v + s->tables[low].len);
}

/* Spool the units of the piece that are not all marked; the others are gone. */
static int
spool_rest (struct stream *s, const struct marks *m, struct error *err)
{
  uint64_t at, i;

  for (at = m->from; at < m->to; at += s->unit) {
    uint64_t end = min_u64 (at + s->unit, m->to);
    bool all = end == at + s->unit;

    for (i = at; i < end && all; i += SECTOR)
      all = m->sector[(i - m->from) / SECTOR] != 0;
    if (all) {
      if (stream_set_bit (&s->dropped, at / s->unit, err) == -1)
        return -1;
    } else if (spool_write (s->spool, (host_off){ at }, s->buf + (at - s->at),
                            (size_t)(end - at), err)
               == -1) {
      return -1;
    }
  }
  return 0;
}

/* The piece at the start of the buffer goes where it belongs. */
static int
place_piece (struct stream *s, struct error *err)
{
  struct host_range r = { { s->at }, s->piece };
  struct marks m = { s->at, s->at + min_u64 (s->piece, s->have), NULL };
  OWN_MEM uint8_t *sector = calloc (1, (size_t)(s->piece / SECTOR + 1));
  struct segment seg;
  int rc;

  if (sector == NULL)
    return fail_memory (err, "a piece of the stream");
  m.sector = sector;
  mark (&m, s->at, s->placed_to);
  rc = journal_map_take (s->map, 0, r, &seg, err);
  if (rc == -1)
    return -1;
  if (rc == 0
      && (submit (s, &seg, err) == -1 || each_run (s, &seg, mark_run, &m, err) == -1))
    return -1;
  mark_tables (s, &m);
  return s->ended && s->have <= s->piece ? 0 : spool_rest (s, &m, err);
}

static void
next_piece (struct stream *s)
{
  uint64_t gone = min_u64 (s->piece, s->have);

  memmove (s->buf, s->buf + gone, (size_t)(s->have - gone));
  s->at += s->piece;
  s->have -= gone;
  if (s->ended)
    memset (s->buf + s->have, 0, BUFFER - s->have);
}

/* ---- The end ------------------------------------------------------------------------------ */

/* A source that knows its length was whole: then the image is truncated.  A pipe may have
 * broken. */
static int
ended_early (const struct stream *s, struct error *err)
{
  const struct qimport *q = s->q;

  if (q->records[0].length != UINT64_MAX)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "%s: the image is truncated: its tables or clusters lie beyond its %" PRIu64
                 " bytes; publish it again, whole",
                 source_url (q->sources[0]), s->pos);
  return fail (err, ERR_SOURCE_ENDED,
               "the pipe ended after %" PRIu64 " bytes, before the image did; `qimport resume "
               "%.8s` goes on, with the same bytes again on standard input",
               s->pos, q->imp.id);
}

static int
check_end (struct stream *s, struct error *err)
{
  if (s->have_l1 && s->unparsed == 0 && s->data_end <= s->pos
      && s->compressed_end < s->pos + SECTOR)
    return 0;
  return ended_early (s, err);
}

static int
finish_stream (struct qimport *q, struct stream *s, struct error *err)
{
  uint8_t digest[DIGEST_SIZE];

  if (check_end (s, err) == -1)
    return -1;
  if (q->options->digest || q->imp.expect_sha256[0] != '\0') {
    digest_peek (&s->digest, digest);
    digest_hex (q->stream_sha256, digest);
  }
  q->records[0].length = s->pos;
  if (journal_put_layer (q->journal, q->imp.no, 0, &q->records[0], err) == -1
      || journal_map_seal (s->map, &q->imp, err) == -1)
    return -1;
  copy_submit_end (q->copy);
  import_close_stream (q);
  q->phase = phase_copy;
  return PHASE_MORE;
}

/* ---- Phases ------------------------------------------------------------------------------- */

/* What the header says is refused before anything is made. */
static int
parse_header (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  uint64_t len = q->records[0].length;
  uint8_t digest[DIGEST_SIZE];
  struct digest d;
  size_t need;

  if (len == UINT64_MAX && s->ended)
    len = s->pos;
  if (qcow2_header_need (s->buf, (size_t)s->have, len, &need, err) == -1)
    return -1;
  need = (size_t)min_u64 (need, s->have);
  if (qcow2_header_parse (&s->header, s->buf, need, len, q->options->max_size, err) == -1)
    return -1;
  digest_init (&d);
  digest_update (&d, s->buf, need);
  digest_peek (&d, digest);
  if (q->in_journal && memcmp (digest, q->records[0].head_digest, DIGEST_SIZE) != 0)
    return fail (err, ERR_SOURCE_CHANGED,
                 "%s: these are not the bytes that the import began with (the header differs); "
                 "give the same image, or `qimport resume --restart %.8s`",
                 source_url (q->sources[0]), q->imp.id);
  memcpy (q->records[0].head_digest, digest, DIGEST_SIZE);
  return 0;
}

static int
begin_stream (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;

  if (parse_header (s, err) == -1)
    return -1;
  if (s->header.has_backing || q->n_layers > 1)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: an image with a backing file cannot be imported from a stream; publish a "
                 "flattened image, or serve it where ranges are honoured",
                 source_url (q->sources[0]));
  s->have_header = true;
  s->piece = max_u64 (PIECE_LEAST, 2 * s->header.cluster_size);
  s->unit = max_u64 (s->header.cluster_size, 4096);
  s->table_buf = malloc (s->header.cluster_size);
  if (s->table_buf == NULL)
    return fail_memory (err, "an L2 table");
  q->layers[0].header = s->header;
  q->formats[0].compression = s->header.compression;
  q->formats[0].cluster_bits = s->header.cluster_bits;
  q->imp.cluster_size = s->header.cluster_size;
  import_record_format (q);
  q->records[0].segment_size = s->piece;
  return 0;
}

/* The disk is known: target, journal and copy can be made. */
static int
run_stream (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;

  q->layers[0].disk = s->disk;
  q->imp.virtual_size = s->disk.virtual_size;
  q->imp.layers = 1;
  if (!q->in_journal && import_begin (q, err) == -1)
    return -1;
  q->imp.need_max = max_u64 (q->imp.need_max, 2 * s->piece);
  if (journal_map_begin (&s->map, q->journal, &q->imp, q->records, err) == -1
      || journal_reader_open (&s->reader, journal_path (q->journal), err) == -1
      || import_open_copy (q, err) == -1)
    return -1;
  s->running = true;
  return 0;
}

static int
step_stream (struct stream *s, struct error *err)
{
  struct marks none = { s->at, s->at, NULL };

  if (!s->have_header && begin_stream (s, err) == -1)
    return -1;
  if (fill (s, err) == -1 || (!s->have_disk && stream_find_disk (s, err) == -1))
    return -1;
  if (s->have_disk && !s->running && run_stream (s, err) == -1)
    return -1;
  if (s->running) {
    if (stream_parse_tables (s, err) == -1 || place_late (s, err) == -1)
      return -1;
    return place_piece (s, err);
  }
  none.to += min_u64 (s->piece, s->have);
  return spool_write (s->spool, (host_off){ s->at }, s->buf, (size_t)(none.to - none.from), err);
}

static int
open_stream (struct qimport *q, struct error *err)
{
  struct stream *s = calloc (1, sizeof *s);

  if (s == NULL)
    return fail_memory (err, "the stream");
  q->stream_state = s;
  s->q = q;
  s->piece = PIECE_LEAST; /* until the header is known */
  s->buf = malloc (BUFFER);
  digest_init (&s->digest);
  if (s->buf == NULL)
    return fail_memory (err, "the stream");
  if (spool_open (&s->spool, q->imp.target, strcmp (q->imp.target_kind, "block") == 0, err) == -1)
    return -1;
  return fill (s, err);
}

int
phase_stream (struct qimport *q, int timeout_ms, struct error *err)
{
  struct stream *s;

  (void)timeout_ms;
  if (q->stream_state == NULL && open_stream (q, err) == -1)
    return -1;
  s = q->stream_state;
  if (step_stream (s, err) == -1)
    return -1;
  if (s->ended && s->have <= s->piece)
    return finish_stream (q, s, err);
  next_piece (s);
  return PHASE_MORE;
}

void
import_close_stream (struct qimport *q)
{
  struct stream *s = q->stream_state;

  if (s == NULL)
    return;
  q->stream_state = NULL;
  journal_map_close (s->map);
  journal_reader_close (s->reader);
  spool_close (s->spool);
  free (s->tables);
  free (s->table_buf);
  free (s->dropped.byte);
  free (s->late.byte);
  free (s->buf);
  free (s);
}
