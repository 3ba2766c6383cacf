/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: import from bytes that come once, in order: a pipe, or a server that does not honour
 * ranges.  Reads a piece ahead, so that a cluster that reaches over a border is whole, and says
 * what happens to each piece in turn: its tables are parsed (stream_map.c), late extents go to
 * their place, then its own (stream_place.c).
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PIECE_LEAST = 1 << 20,
  BUFFER = 4 * QCOW2_CLUSTER_MAX,
  UNIT_LEAST = 4096,
  UNIT_BITS = 27
};

/* ---- Reading ------------------------------------------------------------------------------
 */

static int
read_more (struct stream *s, size_t *got, struct error *err)
{
  uint8_t *to = s->buf + s->have;
  size_t room = (size_t)(2 * s->piece - s->have);

  if (s->wrapped != NULL)
    return wrapped_read (s->wrapped, to, room, got, err);
  return source_stream_read (s->q->image.sources[0], to, room, got, err);
}

/* Over all attempts; a kill may have taken from the journal what is kept for all that. */
static void
tell_fetched (struct stream *s)
{
  uint64_t bytes = source_fetched (s->q->image.sources[0]), kept;

  kept = s->wrapped != NULL ? wrapped_recalled (s->wrapped) : 0;
  if (kept > s->fetched_before)
    bytes += kept - s->fetched_before;
  copy_submit_fetched (s->q->copy, bytes);
}

/* Fill the buffer, or to the end. */
static int
fill (struct stream *s, struct error *err)
{
  while (!s->ended && s->have < 2 * s->piece) {
    size_t got;

    if (read_more (s, &got, err) == -1)
      return -1;
    if (got == 0) {
      s->ended = true;
      memset (s->buf + s->have, 0, BUFFER - s->have);
    }
    if (s->hashes && s->wrapped == NULL)
      hash_update (&s->hash, s->buf + s->have, got);
    s->have += got;
    s->pos += got;
    if (s->running)
      tell_fetched (s);
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

static void
next_piece (struct stream *s)
{
  uint64_t gone = min_u64 (s->piece, s->have);

  memmove (s->buf, s->buf + gone, (size_t)(s->have - gone));
  s->at += s->piece;
  s->have -= gone;
  s->looked = false;
  if (s->ended)
    memset (s->buf + s->have, 0, BUFFER - s->have);
}

/* ---- The end ------------------------------------------------------------------------------
 */

/* A source that knows its length was whole: then the image is truncated; and a wrapper tells
 * its end.  A pipe may have broken. */
static int
ended_early (const struct stream *s, struct error *err)
{
  const struct qimport *q = s->q;

  if (s->wrapped != NULL)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "%s: the image in the %s file is truncated: its tables or clusters lie beyond "
                 "its %" PRIu64 " bytes; publish it again, whole",
                 source_url (q->image.sources[0]), wrapper_name (q->image.wrapper), s->pos);
  if (!s->pipe)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "%s: the image is truncated: its tables or clusters lie beyond its %" PRIu64
                 " bytes; publish it again, whole",
                 source_url (q->image.sources[0]), s->pos);
  if (!q->standing.in_journal)
    return fail (err, ERR_SOURCE_ENDED,
                 "the pipe ended after %" PRIu64 " bytes, before the image did; start again "
                 "with the whole image on standard input",
                 s->pos);
  return fail (
      err, ERR_SOURCE_ENDED,
      "the pipe ended after %" PRIu64
      " bytes, before the image did, and all of them are needed again; `qimport resume` "
      "goes on",
      s->pos);
}

/* Is all there that the header, the tables and the clusters need? */
static int
check_end (struct stream *s, struct error *err)
{
  struct qcow2_header again;
  struct error why;

  if (s->raw && stream_end_raw (s, err) == -1)
    return -1;
  if (!stream_all_parsed (s) || s->snapshots.left > 0 || s->search.end > s->pos
      || s->data_end > s->pos || s->compressed_end >= s->pos + SECTOR)
    return ended_early (s, err);
  if (s->pipe && !s->raw
      && qcow2_header_parse (&again, s->head, s->head_len, s->pos, UINT64_MAX, &why) == -1)
    return ended_early (s, err);
  if (s->known_len == UINT64_MAX || s->known_len == s->pos)
    return 0;
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: has %" PRIu64 " bytes, not the %" PRIu64
               " that the import began with; give "
               "the same image, or begin anew with `qimport resume --restart %.8s`",
               source_url (s->q->image.sources[0]), s->pos, s->known_len, s->q->imp.id);
}

static void
tell_spooled (const struct stream *s)
{
  char text[80];
  struct error ignored;

  snprintf (text, sizeof text, "%" PRIu64 " bytes waited for their table beside the target",
            spool_written (s->spool));
  journal_event (s->q->journal, s->q->imp.no, "spooled", text, &ignored);
}

static int
finish_stream (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  struct checksum sum;

  if (s->hashes) {
    hash_peek (&s->hash, &sum);
    checksum_text (q->forward.checksum, &sum);
  }
  /* of a wrapped image it is the file's, by which that is known again */
  q->image.records[0].length = s->wrapped == NULL ? s->pos : wrapped_taken (s->wrapped);
  journal_map_stop_when (s->map, &q->stops.check);
  if (journal_put_layer (q->journal, q->imp.no, 0, &q->image.records[0], err) == -1
      || journal_map_seal (s->map, &q->imp, err) == -1)
    return -1;
  if (q->imp.segments != s->segments)
    return fail (err, ERR_INTERNAL,
                 "of %" PRIu64 " segments of a stream %" PRIu64
                 " were handed on: please report "
                 "this",
                 q->imp.segments, s->segments);
  tell_spooled (s);
  copy_submit_end (q->copy);
  import_close_stream (q);
  return PHASE_COPY;
}

/* ---- The beginning --------------------------------------------------------------------------
 */

int
stream_refuse_other (const struct stream *s, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: these are not the bytes that the import began with (the header differs); "
               "give the same image, or begin anew with `qimport resume --restart %.8s`",
               source_url (s->q->image.sources[0]), s->q->imp.id);
}

static uint64_t
image_len (const struct stream *s)
{
  return s->pipe ? QCOW2_LEN_UNKNOWN : s->q->image.records[0].length;
}

/* The first bytes, of which the header is parsed, and parsed again at the end; the same as
 * those of a resumed import. */
static int
take_head (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  uint8_t digest[DIGEST_SIZE];
  uint64_t len = s->ended && s->have < QCOW2_HEADER_MIN ? s->have : image_len (s);
  struct digest d;
  size_t need;

  if (qcow2_header_need (s->buf, (size_t)s->have, len, &need, err) == -1) {
    if (!q->standing.in_journal)
      return -1;
    return s->pipe && len == s->have ? ended_early (s, err) : stream_refuse_other (s, err);
  }
  if (need > s->have)
    return ended_early (s, err);
  digest_init (&d);
  digest_update (&d, s->buf, need);
  digest_peek (&d, digest);
  if (q->standing.in_journal && !q->options->restart
      && memcmp (digest, q->image.records[0].head_digest, DIGEST_SIZE) != 0)
    return stream_refuse_other (s, err);
  memcpy (q->image.records[0].head_digest, digest, DIGEST_SIZE);
  s->head = malloc (need);
  if (s->head == NULL)
    return fail_memory (err, "the image's header");
  memcpy (s->head, s->buf, need);
  s->head_len = need;
  return 0;
}

/* A stream is one image; what lies under it would have to be read at random. */
static int
check_layers (const struct stream *s, struct error *err)
{
  const struct qimport *q = s->q;

  if (q->image.n_layers > 1 || (s->header.has_backing && !q->options->unallocated_keep))
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: an image with a backing file cannot be imported from a stream; publish a "
                 "flattened image, or serve it where ranges are honoured",
                 source_url (q->image.sources[0]));
  if (s->header.dirty)
    import_warn (s->q,
                 "%s: the image was not closed cleanly (dirty bit); its tables are read as "
                 "they are",
                 source_url (q->image.sources[0]));
  return 0;
}

/* The bits of dropped units of the largest disk take 16 MiB (J7). */
static uint64_t
unit_size (const struct stream *s)
{
  uint64_t unit = UNIT_LEAST;

  while (unit < s->piece && s->header.virtual_size / unit >> UNIT_BITS != 0)
    unit *= 2;
  return unit;
}

static int
begin_qcow2 (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;

  if (take_head (s, err) == -1
      || qcow2_header_parse (&s->header, s->head, s->head_len, image_len (s),
                             q->options->max_size, err)
             == -1
      || check_layers (s, err) == -1)
    return -1;
  s->have_header = true;
  s->snapshots = image_snapshots_begin (&s->header);
  s->search.name = q->options->snapshot;
  s->search.max_size = q->options->max_size;
  s->piece = max_u64 (PIECE_LEAST, 2 * s->header.cluster_size);
  s->unit = unit_size (s);
  s->table_buf = malloc (s->header.cluster_size);
  if (s->table_buf == NULL)
    return fail_memory (err, "an L2 table");
  q->image.layers[0].header = s->header;
  q->image.formats[0].compression = s->header.compression;
  q->image.formats[0].cluster_bits = s->header.cluster_bits;
  q->imp.cluster_size = s->header.cluster_size;
  import_record_format (q);
  q->image.records[0].segment_size = s->piece;
  return 0;
}

static int
begin_stream (struct stream *s, struct error *err)
{
  if (stream_check_unwrapped (s, err) == -1 || stream_decide_format (s, err) == -1)
    return -1;
  return s->raw ? stream_begin_raw (s, err) : begin_qcow2 (s, err);
}

/* The disk is known: target, journal and copy can be made.  Until the first byte is handed to
 * the copy, an image that is refused leaves nothing behind. */
static int
run_stream (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  bool fresh;

  if (q->standing.in_journal && s->disk.virtual_size != q->imp.virtual_size)
    return import_other_disk (q, s->disk.virtual_size, q->imp.virtual_size, err);
  q->image.layers[0].disk = s->disk;
  q->imp.virtual_size = s->disk.virtual_size;
  q->imp.layers = 1;
  if (!q->standing.in_journal && import_begin (q, err) == -1)
    return -1;
  /* An import that began with ranges had other segments, before --restart. */
  if (q->options->restart
      && journal_put_layer (q->journal, q->imp.no, 0, &q->image.records[0], err) == -1)
    return -1;
  fresh = q->standing.fresh;
  q->imp.need_max = max_u64 (q->imp.need_max, 2 * s->piece);
  if (journal_map_begin (&s->map, q->journal, &q->imp, q->image.records, err) == -1
      || journal_reader_open (&s->reader, journal_path (q->journal), q->imp.no, err) == -1
      || import_open_copy (q, err) == -1)
    return -1;
  q->standing.fresh = fresh;
  s->running = true;
  tell_fetched (s);
  return 0;
}

/* ---- The phase -----------------------------------------------------------------------------
 */

/* Read on, and parse what is here. */
static int
look (struct stream *s, struct error *err)
{
  bool ended = s->ended;

  if (fill (s, err) == -1 || (!s->have_header && begin_stream (s, err) == -1)
      || fill (s, err) == -1 || (!s->raw && stream_find_disk (s, err) == -1)
      || (s->raw && s->ended && !ended && check_end (s, err) == -1)
      || (s->have_disk && !s->running && run_stream (s, err) == -1)
      || (s->raw && stream_add_raw (s, err) == -1)
      || (s->running && stream_parse_tables (s, err) == -1))
    return -1;
  s->looked = true;
  return s->ended && !ended && !s->raw ? check_end (s, err) : 0;
}

static int
step_stream (struct stream *s, struct error *err)
{
  int rc;

  if (atomic_load (&s->q->stops.asked))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  if (import_check_failed (s->q, err) == -1)
    return -1;
  if (!s->looked)
    return look (s, err) == -1 ? -1 : PHASE_STREAM;
  rc = s->running ? stream_place_late (s, err) : 0;
  if (rc != 0)
    return rc == -1 ? -1 : PHASE_STREAM;
  if (stream_place_piece (s, err) == -1)
    return -1;
  if (s->ended && s->have <= s->piece)
    return finish_stream (s, err);
  next_piece (s);
  return PHASE_STREAM;
}

/* How long it was when an earlier run read all of it. */
static int
recall_length (struct stream *s, struct error *err)
{
  OWN_MEM struct journal_layer *layer = NULL;

  s->known_len = UINT64_MAX;
  if (s->wrapped != NULL || !s->q->standing.in_journal || s->q->options->restart)
    return 0;
  layer = malloc (sizeof *layer);
  if (layer == NULL)
    return fail_memory (err, "the stream");
  if (journal_get_layer (s->q->journal, s->q->imp.no, 0, layer, err) == -1)
    return -1;
  s->known_len = layer->length;
  return 0;
}

static int
open_stream (struct qimport *q, struct error *err)
{
  struct stream *s = calloc (1, sizeof *s);
  const char *want = q->options->checksum != NULL ? q->options->checksum : q->imp.expect_sha256;

  if (s == NULL)
    return fail_memory (err, "the stream");
  q->forward.stream = s;
  s->q = q;
  s->fetched_before = q->imp.now.fetched;
  s->piece = PIECE_LEAST; /* until the header is known */
  s->pipe = q->image.records[0].length == UINT64_MAX;
  s->buf = malloc (BUFFER);
  s->hashes = q->options->digest || want[0] != '\0';
  hash_init (&s->hash, checksum_text_algorithm (want));
  if (s->buf == NULL)
    return fail_memory (err, "the stream");
  if (stream_open_wrapped (s, err) == -1 || recall_length (s, err) == -1)
    return -1;
  return spool_open (&s->spool, q->imp.target, strcmp (q->imp.target_kind, "file") != 0,
                     q->options->spool_dir, err);
}

int
phase_stream (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (q->forward.stream == NULL && open_stream (q, err) == -1)
    return -1;
  return step_stream (q->forward.stream, err);
}

void
import_close_stream (struct qimport *q)
{
  struct stream *s = q->forward.stream;

  if (s == NULL)
    return;
  q->forward.stream = NULL;
  journal_map_close (s->map);
  journal_reader_close (s->reader);
  spool_close (s->spool);
  wrapped_close (s->wrapped);
  free (s->head);
  free (s->tables);
  free (s->table_buf);
  free (s->dropped.byte);
  free (s->late.byte);
  free (s->buf);
  free (s);
}
