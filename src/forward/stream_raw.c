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

static struct raw_disk_ask
ask_of (const struct stream *s)
{
  return (struct raw_disk_ask){ s->spec.format, s->spec.snapshot, s->spec.max_size,
                                stream_url (s) };
}

/* What an earlier run found holds; else the first bytes tell, as they would of a file. */
int
stream_decide_format (struct stream *s, struct error *err)
{
  const struct stream_window *w = &s->window;
  const uint8_t *end = w->buf + w->have;
  struct raw_disk_ask ask = ask_of (s);
  bool known = s->spec.begun && !s->spec.restart;

  s->raw.is = known && strcmp (s->spec.image->records[0].format, "raw") == 0;
  if (known ? s->raw.is
            : ask.format == FORMAT_RAW
                  || raw_disk_undecided (ask.format, w->buf, (size_t)w->have))
    if (!s->supply.ended && w->have < 2 * s->piece)
      return 1; /* the target will have at least as many bytes */
  if (known)
    return 0;
  return raw_disk_decide (&ask, w->buf, (size_t)w->have,
                          s->supply.ended && w->have >= SECTOR ? end - SECTOR : NULL,
                          &s->raw.is, err);
}

static int
disk_size (const struct stream *s, uint64_t len, uint64_t *size, struct error *err)
{
  struct raw_disk_ask ask = ask_of (s);

  return raw_disk_size (&ask, len, size, err);
}

/* The same first bytes as those of a resumed import. */
static int
take_head (struct stream *s, struct error *err)
{
  struct journal_layer *record = &s->spec.image->records[0];
  uint8_t digest[DIGEST_SIZE];
  struct digest d;

  digest_init (&d);
  digest_update (&d, s->window.buf, min_u64 (s->window.have, IDENTITY_HEAD));
  digest_peek (&d, digest);
  if (s->spec.begun && !s->spec.restart
      && memcmp (digest, record->head_digest, DIGEST_SIZE) != 0)
    return stream_refuse_other (s, err);
  memcpy (record->head_digest, digest, DIGEST_SIZE);
  s->raw.least = qcow2_raw_needs (s->window.buf, (size_t)s->window.have);
  return 0;
}

static int
check_raw (const struct stream *s, struct error *err)
{
  if (s->spec.image->n_layers > 1)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: has no backing file, but --backing gives one; leave it out",
                 stream_url (s));
  if (s->supply.pipe && s->spec.keep_holes)
    return fail (err, ERR_USAGE,
                 "%s: how large this raw disk is, is known at its end only, and --unallocated "
                 "keep has to know before; leave it out (a raw disk leaves nothing as it is)",
                 stream_url (s));
  return 0;
}

int
stream_begin_raw (struct stream *s, struct error *err)
{
  struct image *image = s->spec.image;
  struct journal_import *imp = s->spec.imp;

  image->layers[0].raw = image->formats[0].raw = true;
  if (check_raw (s, err) == -1 || take_head (s, err) == -1
      || disk_size (s, s->supply.pipe ? s->window.have : image->records[0].length,
                    &s->disk.virtual_size, err)
             == -1)
    return -1;
  if (s->supply.pipe && s->spec.begun) { /* the target has it, and so has the journal */
    s->disk.virtual_size = imp->virtual_size;
    s->raw.known = s->spec.restart ? 0 : imp->virtual_size;
  }
  s->have_header = s->have_disk = s->tables.have_l1 = true;
  s->places.unit = s->piece;
  image->formats[0].cluster_bits = RAW_CLUSTER_BITS;
  imp->cluster_size = UINT64_C (1) << RAW_CLUSTER_BITS;
  image_record_format (image, imp->format_features, sizeof imp->format_features);
  image->records[0].segment_size = s->piece;
  return 0;
}

/* The disk has SIZE bytes, as far as is known now. */
static int
resize (struct stream *s, uint64_t size, bool last, struct error *err)
{
  if (size == s->disk.virtual_size && !last)
    return 0;
  if (s->spec.verbs->resize (s->spec.ctx, size, last, err) == -1)
    return -1;
  journal_map_resize (s->map, size);
  s->disk.virtual_size = s->spec.image->layers[0].disk.virtual_size = size;
  return 0;
}

static int
add (struct stream *s, const struct extent *e, struct error *err)
{
  if (e->len == 0)
    return 0;
  s->tables.guest_found += e->len;
  s->tables.data_found += e->len;
  s->tables.stored_found += e->stored;
  s->places.data_end = extent_host_end (e);
  return journal_map_add (s->map, e, err);
}

int
stream_add_raw (struct stream *s, struct error *err)
{
  const struct stream_window *w = &s->window;
  uint64_t end = w->at + min_u64 (w->have, s->piece), whole = align_down (end, SECTOR), size;
  bool last = s->supply.ended && w->have <= s->piece;
  struct extent e = { .kind = EXTENT_DATA, .guest = { w->at }, .host = { w->at } }, cut;

  e.len = e.stored = whole - w->at;
  cut = raw_cut_sector (whole, end);
  if (disk_size (s, end, &size, err) == -1)
    return -1;
  if (s->supply.pipe && (last || size > s->disk.virtual_size)
      && resize (s, size, last, err) == -1)
    return -1;
  if (add (s, &e, err) == -1 || add (s, &cut, err) == -1)
    return -1;
  stream_tell_totals (s);
  return 0;
}

/* A source that knows its length, and a wrapper, were whole.  A pipe may have broken: what its
 * partition table says of the disk is all that can tell, or a checksum; and what earlier runs
 * saw. */
uint64_t
stream_raw_needs (const struct stream *s, bool *all)
{
  bool may_break = s->wrapped == NULL && s->supply.pipe && s->spec.checksum[0] == '\0';
  uint64_t end = may_break ? s->raw.least : 0;

  *all = true;
  if (align_up (s->supply.pos, SECTOR) < s->raw.known)
    end = max_u64 (end, s->raw.known);
  return max_u64 (end, s->places.data_end);
}
