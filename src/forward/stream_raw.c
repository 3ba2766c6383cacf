/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_raw: a raw image that comes as a stream.  It has no tables: each piece is a segment of
 * the disk as soon as it is here.  How long it is, is known where the source says so; of a pipe
 * and of what is wrapped only at the end, and until then the disk grows with what came: target
 * first, then the map (J2), then the bytes.
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/raw_disk.h"

enum { IDENTITY_HEAD = 4096 };

/* What an earlier run found holds; else the first bytes tell, as they would of a file. */
int
stream_decide_format (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  const uint8_t *end = s->buf + s->have;
  struct image_spec spec;

  if (q->standing.in_journal && !q->options->restart) {
    s->raw = strcmp (q->image.records[0].format, "raw") == 0;
    return 0;
  }
  import_image_spec (q, false, &spec);
  return raw_disk_decide (&spec, source_url (q->image.sources[0]), s->buf, (size_t)s->have,
                          s->ended && s->have >= SECTOR ? end - SECTOR : NULL, &s->raw, err);
}

static int
disk_size (const struct stream *s, uint64_t len, uint64_t *size, struct error *err)
{
  struct image_spec spec;

  import_image_spec (s->q, false, &spec);
  return raw_disk_size (&spec, source_url (s->q->image.sources[0]), len, size, err);
}

/* The same first bytes as those of a resumed import. */
static int
take_raw_head (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  uint8_t digest[DIGEST_SIZE];
  struct digest d;

  digest_init (&d);
  digest_update (&d, s->buf, min_u64 (s->have, IDENTITY_HEAD));
  digest_peek (&d, digest);
  if (q->standing.in_journal && !q->options->restart
      && memcmp (digest, q->image.records[0].head_digest, DIGEST_SIZE) != 0)
    return stream_refuse_other (s, err);
  memcpy (q->image.records[0].head_digest, digest, DIGEST_SIZE);
  s->disk_needs = qcow2_raw_needs (s->buf, (size_t)s->have);
  return 0;
}

int
stream_begin_raw (struct stream *s, struct error *err)
{
  struct qimport *q = s->q;
  struct image_spec spec;
  uint64_t known = s->pipe ? s->have : q->image.records[0].length;

  import_image_spec (q, false, &spec);
  q->image.layers[0].raw = q->image.formats[0].raw = true;
  if (take_raw_head (s, err) == -1 || image_check_chain (&q->image, &spec, err) == -1
      || disk_size (s, known, &s->disk.virtual_size, err) == -1)
    return -1;
  if (s->pipe && q->standing.in_journal)
    s->disk.virtual_size = q->imp.virtual_size;
  if (s->pipe && q->options->unallocated_keep)
    return fail (err, ERR_USAGE,
                 "%s: how large this raw disk is, is known at its end only, and --unallocated "
                 "keep has to know before; leave it out (a raw disk leaves nothing as it is)",
                 source_url (q->image.sources[0]));
  s->have_header = s->have_disk = s->have_l1 = true;
  s->unit = s->piece;
  q->image.formats[0].cluster_bits = RAW_CLUSTER_BITS;
  q->imp.cluster_size = UINT64_C (1) << RAW_CLUSTER_BITS;
  import_record_format (q);
  q->image.records[0].segment_size = s->piece;
  return 0;
}

/* The disk has SIZE bytes, as far as is known now. */
static int
resize (struct stream *s, uint64_t size, struct error *err)
{
  struct qimport *q = s->q;

  if (size == s->disk.virtual_size)
    return 0;
  if (target_resize (q->target, size, err) == -1)
    return -1;
  journal_map_resize (s->map, size);
  s->disk.virtual_size = q->image.layers[0].disk.virtual_size = q->imp.virtual_size = size;
  return 0;
}

static int
add (struct stream *s, const struct extent *e, struct error *err)
{
  if (e->len == 0)
    return 0;
  s->guest_found += e->len;
  s->data_found += e->len;
  s->data_end = extent_host_end (e);
  return journal_map_add (s->map, e, err);
}

int
stream_add_raw (struct stream *s, struct error *err)
{
  uint64_t end = s->at + min_u64 (s->have, s->piece), size;
  uint64_t whole = s->ended ? align_down (end, SECTOR) : end;
  bool last = s->ended && s->have <= s->piece;
  struct extent e = { .kind = EXTENT_DATA, .guest = { s->at }, .host = { s->at } }, cut;

  e.len = e.stored = whole - s->at;
  cut = raw_cut_sector (whole, end);
  if (disk_size (s, end, &size, err) == -1)
    return -1;
  if (s->pipe && (last || size > s->disk.virtual_size) && resize (s, size, err) == -1)
    return -1;
  /* by its size it will be known again */
  if (s->pipe && last && import_record_target (s->q, err) == -1)
    return -1;
  return add (s, &e, err) == -1 || add (s, &cut, err) == -1 ? -1 : 0;
}

/* A source that knows its length, and a wrapper, were whole.  A pipe may have broken: what its
 * partition table says of the disk is all that can tell, or a checksum. */
int
stream_end_raw (const struct stream *s, struct error *err)
{
  const struct qimport *q = s->q;
  bool resumed = q->standing.in_journal && !q->options->restart && s->pipe;
  bool tells = s->wrapped == NULL && s->pipe && q->options->checksum == NULL
               && q->imp.expect_sha256[0] == '\0';

  if (resumed && align_up (s->pos, SECTOR) < s->disk.virtual_size)
    return fail (err, ERR_SOURCE_ENDED,
                 "%s: ended after %" PRIu64 " bytes, and %" PRIu64
                 " came before; give it whole, and `qimport resume` goes on",
                 source_url (q->image.sources[0]), s->pos, s->disk.virtual_size);
  if (!tells || s->disk_needs <= s->pos)
    return 0;
  return fail (err, ERR_SOURCE_ENDED,
               "the pipe ended after %" PRIu64
               " bytes, and its partition table is of a disk of "
               "%" PRIu64 "; give it whole, or say with --sha256 that it is no longer",
               s->pos, s->disk_needs);
}
