/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * segment_writer: see segment_writer.h.
 */
#include "copy/segment_writer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "copy/decoders.h"
#include "copy/outlets.h"
#include "copy/write_gather.h"

enum { BATCH = 256, ZERO_LOOK = 64 << 10 };

struct segment_writer {
  const struct copy_facts *facts;
  const atomic_bool *hurry;
  struct journal_reader *reader; /* NULL: the extents are at hand */
  struct decoders decoders;

  /* Extents BATCH_FIRST.. of the import, read ahead. */
  struct extent batch[BATCH];
  uint64_t batch_first;
  size_t batch_n;

  struct gather gather;
  struct hash_pair pair;
  uint64_t wrote; /* bytes, since segment_writer_write began */
};

/* What is gathered goes to the target. */
static int
flush (struct segment_writer *w, struct error *err)
{
  uint64_t wrote = 0;
  int rc;

  if (atomic_load (w->hurry))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  pair_flush (&w->pair); /* what is written makes room for other bytes */
  rc = outlets_write (w->facts->outlets, &w->gather, &wrote, err);
  gather_drop (&w->gather);
  w->wrote += wrote;
  return rc;
}

/* Decoded bytes of the guest: into the segment's digest, and to the disk unless they are zeros
 * where the disk reads as zeros.  With several disks: unless they are for none of them. */
static int
put (struct segment_writer *w, struct slot *s, guest_off at, const uint8_t *buf, uint64_t len,
     struct error *err)
{
  bool look = outlets_some_read_zero (w->facts->outlets);
  bool skip = look && outlets_all_read_zero (w->facts->outlets);

  s->work.guest_put += len;
  pair_add (&w->pair, buf, len);
  while (len > 0) {
    uint64_t n = look ? min_u64 (len, ZERO_LOOK) : len;
    bool zero = look && all_zero (buf, n);

    if (!(skip && zero) && !gather_add (&w->gather, at, buf, n, zero)
        && (flush (w, err) == -1 || !gather_add (&w->gather, at, buf, n, zero)))
      return -1;
    at.v += n;
    buf += n;
    len -= n;
  }
  return 0;
}

/* ---- Extents ---------------------------------------------------------------------------- */

/* The I-th extent of S. */
static int
extent_of (struct segment_writer *w, const struct slot *s, uint64_t i,
           const struct extent **out, struct error *err)
{
  uint64_t ord = s->seg.first_extent + i;

  if (w->reader == NULL) {
    if (ord >= w->facts->spec.n_extents)
      return fail (err, ERR_INTERNAL, "the map has no extent %llu", (unsigned long long)ord);
    *out = &w->facts->spec.extents[ord];
    return 0;
  }
  if (ord < w->batch_first || ord >= w->batch_first + w->batch_n) {
    if (journal_extents (w->reader, &s->seg, i, w->batch, BATCH, &w->batch_n, err) == -1)
      return -1;
    w->batch_first = ord;
  }
  *out = &w->batch[ord - w->batch_first];
  return 0;
}

static int
write_compressed (struct segment_writer *w, struct slot *s, const struct extent *e,
                  struct error *err)
{
  size_t cluster = decoders_cluster (&w->decoders, e->layer);
  uint8_t *out = gather_room (&w->gather, cluster);

  if (out == NULL) {
    if (flush (w, err) == -1)
      return -1;
    out = gather_room (&w->gather, cluster);
  }
  if (decoders_decode (&w->decoders, e, s->buf + (e->host.v - s->base.v), out, err) == -1)
    return w->facts->streams ? -1
                             : fail_in (err, source_url (w->facts->spec.sources[e->layer]));
  return put (w, s, e->guest, out + e->skip, e->len, err);
}

/* Plain bytes up to host offset HAVE.  *WHOLE: all of E is written now. */
static int
write_plain (struct segment_writer *w, struct slot *s, const struct extent *e, uint64_t have,
             bool *whole, struct error *err)
{
  uint64_t there = min_u64 (e->stored, have > e->host.v ? have - e->host.v : 0);
  guest_off at = { e->guest.v + s->work.into };

  *whole = there == e->stored;
  if (!*whole)
    there = align_down (there, COPY_GRAIN);
  if (there <= s->work.into)
    return 0;
  if (put (w, s, at, s->buf + (e->host.v + s->work.into - s->base.v), there - s->work.into, err)
      == -1)
    return -1;
  s->work.into = there;
  return 0;
}

/* A plain extent may be committed in part only when no later one needs bytes before that
 * point again: clusters that several guest clusters share are written extent by extent. */
static int
may_split (struct segment_writer *w, const struct slot *s, const struct extent *e, bool *yes,
           struct error *err)
{
  uint64_t end = extent_host_end (e);
  const struct extent *next;

  *yes = true;
  if (s->work.next + 1 == s->seg.extents)
    return 0;
  if (extent_of (w, s, s->work.next + 1, &next, err) == -1)
    return -1;
  *yes = next->host.v >= end;
  return 0;
}

/* Are the bytes of E, from a row, in the buffer from the first one that is to be written?  Rows
 * are used beside the journal's check. */
static int
check_place (const struct segment_writer *w, const struct slot *s, const struct extent *e,
             struct error *err)
{
  if (w->reader == NULL)
    return 0;
  if (e->host.v + s->work.into < s->base.v)
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: an extent of segment %llu lies before what is to be fetched for it; "
                 "restore the journal, or forget the import and start again",
                 journal_path (w->facts->spec.journal), (unsigned long long)s->seg.ord);
  return decoders_check (&w->decoders, w->reader, e, err);
}

/* Write the next extent as far as it has come.  1: it is whole; 0: wait for more. */
static int
write_extent (struct segment_writer *w, struct slot *s, uint64_t have, struct error *err)
{
  const struct extent *e;
  struct extent copy;
  bool whole = true, split;

  if (extent_of (w, s, s->work.next, &e, err) == -1)
    return -1;
  copy = *e; /* may_split may read the next batch over it */
  if (s->work.resume_to.v > copy.host.v && copy.kind == EXTENT_DATA)
    s->work.into = s->work.resume_to.v - copy.host.v;
  s->work.resume_to.v = 0;
  if (check_place (w, s, &copy, err) == -1)
    return -1;
  if (copy.kind == EXTENT_COMPRESSED) {
    if (extent_host_end (&copy) > have)
      return 0;
    return write_compressed (w, s, &copy, err) == -1 ? -1 : 1;
  }
  if (extent_host_end (&copy) > have) {
    if (may_split (w, s, &copy, &split, err) == -1)
      return -1;
    if (!split)
      return 0;
  }
  if (write_plain (w, s, &copy, have, &whole, err) == -1)
    return -1;
  return whole;
}

/* ---- A slot ----------------------------------------------------------------------------- */

/* The digest's state where it is, or final where all is written. */
static void
save_digest (const struct copy_facts *f, const struct slot *s, struct segment_progress *p)
{
  if (!journal_has_digest (&f->imp, s->seg.ord))
    return;
  if (p->committed) {
    digest_peek (&s->work.digest, p->hash);
    p->hash_len = DIGEST_SIZE;
    p->digest_final = true;
  } else {
    p->hash_len = digest_save (&s->work.digest, p->hash);
  }
}

/* Where the segment now begins to be uncommitted. */
static int
position (struct segment_writer *w, const struct slot *s, struct segment_progress *p,
          struct error *err)
{
  const struct extent *e;

  p->ord = s->seg.ord;
  p->committed_extents = s->work.next;
  p->committed = s->work.next == s->seg.extents;
  if (p->committed) {
    p->committed_to.v = host_end (s->seg.need);
    return 0;
  }
  if (extent_of (w, s, s->work.next, &e, err) == -1)
    return -1;
  p->committed_to.v = e->host.v + s->work.into;
  return 0;
}

int
segment_writer_write (struct segment_writer *w, struct slot *s, uint64_t have,
                      struct image_bytes *image, struct segment_progress *p, uint64_t *wrote,
                      struct error *err)
{
  bool digest = journal_has_digest (&w->facts->imp, s->seg.ord);
  int more = 1;

  assert (s->base.v <= have && have <= host_end (s->seg.need));
  gather_drop (&w->gather);
  pair_begin (&w->pair, digest ? &s->work.digest : NULL, image);
  w->wrote = *wrote = 0;
  while (s->work.next < s->seg.extents && more == 1) {
    more = write_extent (w, s, have, err);
    if (more == 1) {
      s->work.next++;
      s->work.into = 0;
    }
  }
  if (more == -1 || flush (w, err) == -1 || position (w, s, p, err) == -1) {
    *wrote = w->wrote;
    return -1;
  }
  *wrote = w->wrote;
  pair_end (&w->pair);
  save_digest (w->facts, s, p);
  return 0;
}

/* ---- Its life ---------------------------------------------------------------------------- */

int
segment_writer_open (struct segment_writer **out, const struct copy_facts *f,
                     const atomic_bool *hurry, size_t arena, struct error *err)
{
  OWN (segment_writer) w = calloc (1, sizeof *w);

  if (w == NULL)
    return fail_memory (err, "a worker");
  w->facts = f;
  w->hurry = hurry;
  w->decoders.formats = f->spec.formats;
  if (gather_init (&w->gather, arena, err) == -1
      || (f->spec.extents == NULL
          && journal_reader_open (&w->reader, journal_path (f->spec.journal), f->imp.no, err)
                 == -1))
    return -1;
  *out = w;
  w = NULL;
  return 0;
}

void
segment_writer_close (struct segment_writer *w)
{
  if (w == NULL)
    return;
  decoders_release (&w->decoders);
  journal_reader_close (w->reader);
  gather_release (&w->gather);
  free (w);
}
