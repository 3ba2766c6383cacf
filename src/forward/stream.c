/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: import from bytes that come once, in order: a pipe, or a server that does not honour
 * ranges.  Reads a piece ahead, so that a cluster that reaches over a border is whole, and says
 * what happens to each piece in turn: its tables are parsed (stream_map.c), late extents go to
 * their place, then its own (stream_place.c).
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PIECE_LEAST = 1 << 20,
  BUFFER = 4 * QCOW2_CLUSTER_MAX,
  HEAD_LEAST = 512, /* no image is shorter, and no signature lies behind it */
  IDLE_MS = 1000,
  UNIT_LEAST = 4096,
  UNIT_BITS = 27
};

const char *
stream_url (const struct stream *s)
{
  return image_shown (s->spec.image, 0);
}

void
stream_warn (const struct stream *s, const char *fmt, ...)
{
  OWN_MEM char *line = NULL;
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (&line, fmt, ap) == -1)
    line = NULL;
  va_end (ap);
  if (line != NULL)
    s->spec.verbs->warn (s->spec.ctx, line);
}

/* ---- Reading ------------------------------------------------------------------------------
 */

/* 1: the disk is whole, and nothing came for a while. */
static int
read_more (struct stream *s, size_t *got, struct error *err)
{
  uint8_t *to = s->window.buf + s->window.have;
  size_t room = (size_t)(2 * s->piece - s->window.have);
  bool over = s->supply.open && stream_is_whole (s);
  int wait_ms = over ? IDLE_MS : -1;

  *got = 0;
  if (over && s->supply.pos > stream_most (s))
    return 1;
  if (s->wrapped != NULL)
    return wrapped_read (s->wrapped, to, room, wait_ms, got, err);
  return source_stream_wait (s->spec.image->sources[0], to, room, wait_ms, got, err);
}

/* Over all attempts; a kill may have taken from the journal what is kept for all that. */
static void
tell_fetched (struct stream *s)
{
  uint64_t bytes = source_fetched (s->spec.image->sources[0]), kept;

  kept = s->wrapped != NULL ? wrapped_recalled (s->wrapped) : 0;
  if (kept > s->supply.fetched_before)
    bytes += kept - s->supply.fetched_before;
  copy_submit_fetched (s->copy, bytes);
}

static void
end_reading (struct stream *s)
{
  s->supply.ended = true;
  memset (s->window.buf + s->window.have, 0, BUFFER - s->window.have);
}

/* Some more bytes, as many as come at once, or the end. */
static int
fill (struct stream *s, struct error *err)
{
  size_t got;
  int rc = read_more (s, &got, err);

  if (rc == -1)
    return -1;
  if (rc == 1 && !stream_ends_here (s))
    return 0;
  if (rc == 1 || got == 0) {
    s->supply.broke = rc == 1 || source_stream_broke (s->spec.image->sources[0]);
    end_reading (s);
    return 0;
  }
  if (s->spec.hashes && s->wrapped == NULL)
    hash_update (&s->supply.hash, s->window.buf + s->window.have, got);
  s->window.have += got;
  s->supply.pos += got;
  if (s->copy != NULL)
    tell_fetched (s);
  return 0;
}

int
stream_read_host (struct stream *s, host_off at, void *buf, size_t len, struct error *err)
{
  size_t before = at.v < s->window.at ? (size_t)min_u64 (len, s->window.at - at.v) : 0;

  if (before > 0 && spool_read (s->spool, at, buf, before, err) == -1)
    return -1;
  if (len > before)
    memcpy ((uint8_t *)buf + before, s->window.buf + (at.v + before - s->window.at),
            len - before);
  return 0;
}

static void
next_piece (struct stream *s)
{
  uint64_t gone = min_u64 (s->piece, s->window.have);

  memmove (s->window.buf, s->window.buf + gone, (size_t)(s->window.have - gone));
  s->window.at += s->piece;
  s->window.have -= gone;
  s->window.looked = false;
  if (s->supply.ended)
    memset (s->window.buf + s->window.have, 0, BUFFER - s->window.have);
}

/* ---- The beginning --------------------------------------------------------------------------
 */

int
stream_refuse_other (const struct stream *s, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: these are not the bytes that the import began with (the header differs); "
               "give the same image, or begin anew with `qimport resume --restart %.8s`",
               stream_url (s), s->spec.imp->id);
}

static uint64_t
image_len (const struct stream *s)
{
  return s->supply.pipe ? QCOW2_LEN_UNKNOWN : s->spec.image->records[0].length;
}

/* The first bytes, of which the header is parsed, and parsed again at the end; the same as
 * those of a resumed import.  1: not all of them are here. */
static int
take_head (struct stream *s, struct error *err)
{
  struct journal_layer *record = &s->spec.image->records[0];
  uint8_t digest[DIGEST_SIZE];
  uint64_t len
      = s->supply.ended && s->window.have < QCOW2_HEADER_MIN ? s->window.have : image_len (s);
  struct digest d;
  size_t need;

  if (qcow2_header_need (s->window.buf, (size_t)s->window.have, len, &need, err) == -1) {
    if (!s->spec.begun)
      return -1;
    return s->supply.pipe && len == s->window.have ? stream_ended_early (s, err)
                                                   : stream_refuse_other (s, err);
  }
  if (need > s->window.have)
    return s->supply.ended ? stream_ended_early (s, err) : 1;
  digest_init (&d);
  digest_update (&d, s->window.buf, need);
  digest_peek (&d, digest);
  if (s->spec.begun && !s->spec.restart
      && memcmp (digest, record->head_digest, DIGEST_SIZE) != 0)
    return stream_refuse_other (s, err);
  memcpy (record->head_digest, digest, DIGEST_SIZE);
  s->head.bytes = malloc (need);
  if (s->head.bytes == NULL)
    return fail_memory (err, "the image's header");
  memcpy (s->head.bytes, s->window.buf, need);
  s->head.len = need;
  return 0;
}

/* A stream is one image; what lies under it would have to be read at random. */
static int
check_layers (const struct stream *s, struct error *err)
{
  if (s->spec.image->n_layers > 1 || (s->header.has_backing && !s->spec.keep_holes))
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: an image with a backing file cannot be imported from a stream; publish a "
                 "flattened image, or serve it where ranges are honoured",
                 stream_url (s));
  if (s->header.dirty)
    stream_warn (s,
                 "%s: the image was not closed cleanly (dirty bit); its tables are read as "
                 "they are",
                 stream_url (s));
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

/* 1: too little is here. */
static int
begin_qcow2 (struct stream *s, struct error *err)
{
  struct image *image = s->spec.image;
  struct journal_import *imp = s->spec.imp;
  int rc = take_head (s, err);

  if (rc != 0)
    return rc;
  if (qcow2_header_parse (&s->header, s->head.bytes, s->head.len, image_len (s),
                          s->spec.max_size, err)
          == -1
      || check_layers (s, err) == -1)
    return -1;
  s->have_header = true;
  s->snapshots = image_snapshots_begin (&s->header);
  s->search.name = s->spec.snapshot;
  s->search.max_size = s->spec.max_size;
  s->piece = max_u64 (PIECE_LEAST, 2 * s->header.cluster_size);
  s->places.unit = unit_size (s);
  s->tables.buf = malloc (s->header.cluster_size);
  if (s->tables.buf == NULL)
    return fail_memory (err, "an L2 table");
  image->layers[0].header = s->header;
  image->formats[0].compression = s->header.compression;
  image->formats[0].cluster_bits = s->header.cluster_bits;
  imp->cluster_size = s->header.cluster_size;
  image_record_format (image, imp->format_features, sizeof imp->format_features);
  image->records[0].segment_size = s->piece;
  return 0;
}

/* 1: too little is here. */
static int
begin_stream (struct stream *s, struct error *err)
{
  int rc;

  if (!s->supply.ended && s->window.have < HEAD_LEAST)
    return 1;
  rc = stream_check_unwrapped (s, err) == -1 ? -1 : stream_decide_format (s, err);
  if (rc != 0)
    return rc;
  return s->raw.is ? stream_begin_raw (s, err) : begin_qcow2 (s, err);
}

/* The disk is known: target, journal and copy can be made.  Until the first byte is handed to
 * the copy, an image that is refused leaves nothing behind. */
static int
run_stream (struct stream *s, struct error *err)
{
  const struct forward_spec *f = &s->spec;
  struct journal_import *imp = f->imp;

  f->image->layers[0].disk = s->disk;
  if (f->verbs->begin (f->ctx, s->disk.virtual_size, err) == -1)
    return -1;
  s->spec.begun = true;
  /* An import that began with ranges had other segments, before --restart. */
  if (f->restart
      && journal_put_layer (f->journal, imp->no, 0, &f->image->records[0], err) == -1)
    return -1;
  imp->need_max = max_u64 (imp->need_max, 2 * s->piece);
  if (journal_map_begin (&s->map, f->journal, imp, f->image->records, err) == -1
      || journal_reader_open (&s->reader, journal_path (f->journal), imp->no, err) == -1
      || f->verbs->open_copy (f->ctx, &s->copy, err) == -1)
    return -1;
  tell_fetched (s);
  return 0;
}

/* ---- The steps -----------------------------------------------------------------------------
 */

/* Parse what is here. */
static int
understand (struct stream *s, struct error *err)
{
  int rc = s->have_header ? 0 : begin_stream (s, err);

  if (rc != 0)
    return rc == -1 ? -1 : 0;
  if ((!s->raw.is && stream_find_disk (s, err) == -1)
      || (s->have_disk && s->copy == NULL && run_stream (s, err) == -1)
      || (s->copy != NULL && stream_parse_tables (s, err) == -1))
    return -1;
  if (s->copy != NULL)
    stream_tell_totals (s);
  return 0;
}

/* Read on until a piece and what it may reach into are here, and parse what comes: the disk is
 * known, and refused, as soon as its header is here. */
static int
look (struct stream *s, struct error *err)
{
  bool ended = s->supply.ended;

  if (!ended && fill (s, err) == -1)
    return -1;
  if (understand (s, err) == -1)
    return -1;
  s->window.looked = s->supply.ended || s->window.have >= 2 * s->piece;
  if (s->supply.ended && !ended && stream_check_end (s, err) == -1)
    return -1;
  return s->raw.is && s->window.looked ? stream_add_raw (s, err) : 0;
}

int
stream_step (struct stream *s, struct error *err)
{
  int rc;

  if (s->spec.verbs->check (s->spec.ctx, err) == -1)
    return -1;
  if (!s->window.looked)
    return look (s, err) == -1 ? -1 : 1;
  rc = s->copy != NULL ? stream_place_late (s, err) : 0;
  if (rc != 0)
    return rc;
  if (stream_place_piece (s, err) == -1)
    return -1;
  if (s->supply.ended && s->window.have <= s->piece)
    return stream_finish (s, err);
  next_piece (s);
  return 1;
}

int
stream_open (struct stream **out, const struct forward_spec *spec,
             struct forward_result *result, struct error *err)
{
  const struct journal_import *imp = spec->imp;
  OWN (stream) s = calloc (1, sizeof *s);

  if (s == NULL)
    return fail_memory (err, "the stream");
  s->spec = *spec;
  s->result = result;
  s->supply.fetched_before = imp->now.fetched;
  s->piece = PIECE_LEAST; /* until the header is known */
  s->supply.open = spec->image->records[0].length == UINT64_MAX;
  s->supply.pipe = s->supply.open;
  s->window.buf = malloc (BUFFER);
  hash_init (&s->supply.hash, checksum_text_algorithm (spec->checksum));
  if (s->window.buf == NULL)
    return fail_memory (err, "the stream");
  if (stream_open_wrapped (s, err) == -1 || stream_recall_end (s, err) == -1
      || spool_open (&s->spool, imp->target, strcmp (imp->target_kind, "file") != 0,
                     spec->spool_dir, err)
             == -1)
    return -1;
  *out = s;
  s = NULL;
  return 0;
}

void
stream_close (struct stream *s)
{
  if (s == NULL)
    return;
  journal_map_close (s->map);
  journal_reader_close (s->reader);
  spool_close (s->spool);
  wrapped_close (s->wrapped);
  free (s->head.bytes);
  free (s->tables.table);
  free (s->tables.buf);
  free (s->places.dropped.byte);
  free (s->places.late.byte);
  free (s->window.buf);
  free (s);
}
