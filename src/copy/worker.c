/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * worker: decodes the extents of a segment from its buffer, in host order, hashes what comes
 * out, and writes it.  Publishes how far it came; never syncs and never commits.
 */
#include "copy/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "copy/decoders.h"
#include "copy/gather.h"

enum { BATCH = 256, ZERO_LOOK = 64 << 10 };

struct worker {
  struct copy *c;
  struct journal_reader *reader; /* NULL: the extents are at hand */
  struct decoders decoders;

  /* Extents BATCH_FIRST.. of the import, read ahead. */
  struct extent batch[BATCH];
  uint64_t batch_first;
  size_t batch_n;

  struct gather gather;
  uint64_t wrote; /* bytes, since the last publication */
};

/* What is gathered goes to the target. */
static int
flush (struct worker *w, struct error *err)
{
  uint64_t wrote = 0;
  int rc;

  if (atomic_load (&w->c->hurry))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  rc = gather_write (&w->gather, w->c->spec.target, &wrote, err);
  gather_drop (&w->gather);
  w->wrote += wrote;
  return rc;
}

/* Decoded bytes of the guest: into the segment's digest, and to the disk unless they are zeros
 * where the disk reads as zeros. */
static int
put (struct worker *w, struct slot *s, guest_off at, const uint8_t *buf, uint64_t len,
     struct error *err)
{
  bool skip_zeros = target_reads_zero (w->c->spec.target);

  s->guest_put += len;
  if (journal_has_digest (w->c->spec.imp, s->seg.ord))
    digest_update (&s->digest, buf, len);
  while (len > 0) {
    uint64_t n = skip_zeros ? min_u64 (len, ZERO_LOOK) : len;

    if (!(skip_zeros && all_zero (buf, n)) && !gather_add (&w->gather, at, buf, n)
        && (flush (w, err) == -1 || !gather_add (&w->gather, at, buf, n)))
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
extent_of (struct worker *w, const struct slot *s, uint64_t i, const struct extent **out,
           struct error *err)
{
  uint64_t ord = s->seg.first_extent + i;

  if (w->reader == NULL) {
    if (ord >= w->c->spec.n_extents)
      return fail (err, ERR_INTERNAL, "the map has no extent %llu", (unsigned long long)ord);
    *out = &w->c->spec.extents[ord];
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
write_compressed (struct worker *w, struct slot *s, const struct extent *e, struct error *err)
{
  size_t cluster = decoders_cluster (&w->decoders, e->layer);
  uint8_t *out = gather_room (&w->gather, cluster);

  if (out == NULL) {
    if (flush (w, err) == -1)
      return -1;
    out = gather_room (&w->gather, cluster);
  }
  if (decoders_decode (&w->decoders, e, s->buf + (e->host.v - s->base.v), out, err) == -1)
    return w->c->imp.stream ? -1 : fail_in (err, source_url (w->c->spec.sources[e->layer]));
  return put (w, s, e->guest, out + e->skip, e->len, err);
}

/* Plain bytes up to host offset HAVE.  *WHOLE: all of E is written now. */
static int
write_plain (struct worker *w, struct slot *s, const struct extent *e, uint64_t have,
             bool *whole, struct error *err)
{
  uint64_t there = min_u64 (e->stored, have > e->host.v ? have - e->host.v : 0);
  guest_off at = { e->guest.v + s->into };

  *whole = there == e->stored;
  if (!*whole)
    there = align_down (there, COPY_GRAIN);
  if (there <= s->into)
    return 0;
  if (put (w, s, at, s->buf + (e->host.v + s->into - s->base.v), there - s->into, err) == -1)
    return -1;
  s->into = there;
  return 0;
}

/* A plain extent may be committed in part only when no later one needs bytes before that
 * point again: clusters that several guest clusters share are written extent by extent. */
static int
may_split (struct worker *w, const struct slot *s, const struct extent *e, bool *yes,
           struct error *err)
{
  uint64_t end = extent_host_end (e);
  const struct extent *next;

  *yes = true;
  if (s->next + 1 == s->seg.extents)
    return 0;
  if (extent_of (w, s, s->next + 1, &next, err) == -1)
    return -1;
  *yes = next->host.v >= end;
  return 0;
}

/* Are the bytes of E, from a row, in the buffer from the first one that is to be written?  Rows
 * are used beside the journal's check. */
static int
check_place (const struct worker *w, const struct slot *s, const struct extent *e,
             struct error *err)
{
  if (w->reader == NULL)
    return 0;
  if (e->host.v + s->into < s->base.v)
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: an extent of segment %llu lies before what is to be fetched for it; "
                 "restore the journal, or forget the import and start again",
                 journal_path (w->c->spec.journal), (unsigned long long)s->seg.ord);
  return decoders_check (&w->decoders, w->reader, e, err);
}

/* Write the next extent as far as it has come.  1: it is whole; 0: wait for more. */
static int
write_extent (struct worker *w, struct slot *s, uint64_t have, struct error *err)
{
  const struct extent *e;
  struct extent copy;
  bool whole = true, split;

  if (extent_of (w, s, s->next, &e, err) == -1)
    return -1;
  copy = *e; /* may_split may read the next batch over it */
  if (s->resume_to.v > copy.host.v && copy.kind == EXTENT_DATA)
    s->into = s->resume_to.v - copy.host.v;
  s->resume_to.v = 0;
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
save_digest (const struct copy *c, const struct slot *s, struct segment_progress *p)
{
  if (!journal_has_digest (c->spec.imp, s->seg.ord))
    return;
  if (p->committed) {
    digest_peek (&s->digest, p->hash);
    p->hash_len = DIGEST_SIZE;
    p->digest_final = true;
  } else {
    p->hash_len = digest_save (&s->digest, p->hash);
  }
}

/* Where the segment now begins to be uncommitted. */
static int
position (struct worker *w, const struct slot *s, struct segment_progress *p, struct error *err)
{
  const struct extent *e;

  p->ord = s->seg.ord;
  p->committed_extents = s->next;
  p->committed = s->next == s->seg.extents;
  if (p->committed) {
    p->committed_to.v = host_end (s->seg.need);
    return 0;
  }
  if (extent_of (w, s, s->next, &e, err) == -1)
    return -1;
  p->committed_to.v = e->host.v + s->into;
  return 0;
}

/* Tell the committer what is on the target now. */
static void
publish (struct copy *c, struct slot *s, const struct segment_progress *p)
{
  uint64_t guest = s->guest_put - s->guest_published;

  s->guest_published = s->guest_put;
  c->guest_written += guest;
  c->pending.guest += guest;
  s->published = *p;
  s->changed = true;
  s->written = p->committed;
}

/* Write S as far as host offset HAVE, to where it has come. */
static int
write_slot (struct worker *w, struct slot *s, uint64_t have, struct segment_progress *p,
            struct error *err)
{
  int more = 1;

  while (s->next < s->seg.extents && more == 1) {
    more = write_extent (w, s, have, err);
    if (more == -1)
      return -1;
    if (more == 1) {
      s->next++;
      s->into = 0;
    }
  }
  if (flush (w, err) == -1 || position (w, s, p, err) == -1)
    return -1;
  save_digest (w->c, s, p);
  return 0;
}

/* ---- The image's digest ------------------------------------------------------------------ */

static struct slot *
hash_candidate (struct copy *c)
{
  size_t i;

  if (!c->spec.imp->hash_image || c->hashing)
    return NULL;
  for (i = 0; i < c->n_slots; i++) {
    struct slot *s = &c->slots[i];
    uint64_t filled = slot_filled (s);

    if (s->state == SLOT_FREE || s->seg.ord != c->hash_ord || s->seg.layer != 0)
      continue;
    if (s->hashed || s->base.v + filled <= c->hashed_to)
      return NULL;
    return filled == s->len || c->hash_early ? s : NULL;
  }
  return NULL;
}

/* The end of S's own piece, where the next segment's begins. */
static uint64_t
piece_end (const struct copy *c, const struct slot *s)
{
  return min_u64 (s->seg.at.v + c->segment_size, c->image_len);
}

/* Takes the lock off while it hashes what has come of S. */
static void
hash_slot (struct copy *c, struct slot *s)
{
  struct hash h = c->image;
  uint64_t from = c->hashed_to;
  uint64_t to = min_u64 (s->base.v + slot_filled (s), piece_end (c, s));

  c->hashing = true;
  c->hash_early = false;
  pthread_mutex_unlock (&c->lock);
  hash_update (&h, s->buf + (from - s->base.v), to - from);
  pthread_mutex_lock (&c->lock);
  c->hashing = false;
  c->image = h;
  c->hashed_to = to;
  if (to == piece_end (c, s)) {
    s->hashed = true;
    c->hash_ord++;
    slot_retire (c, s);
  }
}

/* ---- The thread -------------------------------------------------------------------------- */

static void
worker_release (struct worker *w)
{
  decoders_release (&w->decoders);
  journal_reader_close (w->reader);
  gather_release (&w->gather);
  free (w);
}

static struct worker *
worker_new (struct copy *c, struct error *err)
{
  struct worker *w = calloc (1, sizeof *w);

  if (w == NULL) {
    fail_memory (err, "a worker");
    return NULL;
  }
  w->c = c;
  w->decoders.formats = c->spec.formats;
  if (gather_init (&w->gather, c->arena_size, err) == 0
      && (c->spec.extents != NULL
          || journal_reader_open (&w->reader, journal_path (c->spec.journal), c->spec.imp->no,
                                  err)
                 == 0))
    return w;
  worker_release (w);
  return NULL;
}

/* With the lock held; off while it works. */
static void
do_slot (struct worker *w, struct slot *s)
{
  struct copy *c = w->c;
  struct segment_progress p = { 0 };
  struct error err;
  uint64_t have;
  int rc;

  while (c->unsynced > c->unsynced_limit && !c->quit && !c->failed && !c->hurry) {
    pthread_cond_signal (&c->tick);
    pthread_cond_wait (&c->done, &c->lock);
  }
  s->state = SLOT_BUSY;
  have = s->base.v + slot_filled (s);
  gather_drop (&w->gather);
  w->wrote = 0;
  pthread_mutex_unlock (&c->lock);
  rc = c->failed ? 0 : write_slot (w, s, have, &p, &err);
  pthread_mutex_lock (&c->lock);
  c->unsynced += w->wrote;
  if (rc == -1 && err.code == ERR_INTERRUPTED)
    ; /* what was published of it stays; the rest is done again at resume (J3) */
  else if (rc == -1)
    copy_fail (c, &err);
  else if (!c->failed)
    publish (c, s, &p);
  if (s->state == SLOT_BUSY_AGAIN && !s->written) {
    s->state = SLOT_IDLE;
    slot_queue (c, s);
  } else {
    s->state = SLOT_IDLE;
    slot_retire (c, s);
  }
}

static struct slot *
queue_pop (struct copy *c)
{
  struct slot *s = c->queue;

  if (s == NULL)
    return NULL;
  c->queue = s->next_queued;
  if (c->queue == NULL)
    c->queue_end = &c->queue;
  return s;
}

void *
worker_main (void *copy)
{
  struct copy *c = copy;
  struct error err;
  struct worker *w = worker_new (c, &err);

  pthread_mutex_lock (&c->lock);
  if (w == NULL)
    copy_fail (c, &err);
  while (w != NULL && !c->quit) {
    struct slot *s = hash_candidate (c);

    if (s != NULL) {
      c->busy++;
      hash_slot (c, s);
    } else if ((s = queue_pop (c)) != NULL) {
      c->busy++;
      do_slot (w, s);
    } else {
      pthread_cond_wait (&c->work, &c->lock);
      continue;
    }
    c->busy--;
    pthread_cond_broadcast (&c->done);
    copy_wake (c);
  }
  pthread_mutex_unlock (&c->lock);
  if (w != NULL)
    worker_release (w);
  return NULL;
}
