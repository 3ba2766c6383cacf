/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image_hash: see image_hash.h.
 */
#include "copy/image_hash.h"

int
image_hash_open (struct image_hash *h, const struct copy_facts *f, struct team *team,
                 struct error *err)
{
  const struct journal_import *imp = &f->imp;
  enum hash_algorithm algorithm = checksum_text_algorithm (imp->expect_sha256);

  h->facts = f;
  h->team = team;
  h->ord = imp->now.image_hashed_to / f->segment_size;
  h->to = imp->now.image_hashed_to;
  hash_init (&h->hash, algorithm);
  if ((imp->now.image_hash_len > 0
       && !hash_load (&h->hash, algorithm, imp->now.image_hash, imp->now.image_hash_len))
      || hash_count (&h->hash) != imp->now.image_hashed_to)
    return fail (
        err, ERR_JOURNAL_CORRUPT,
        "%s: the image's digest state is not valid; restore the journal, or forget the "
        "import and start again",
        journal_path (f->spec.journal));
  return 0;
}

struct slot *
image_hash_candidate (const struct image_hash *h, struct pool *p)
{
  size_t i;

  assert (team_held (h->team));
  if (!h->facts->imp.hash_image || h->hashing)
    return NULL;
  for (i = 0; i < p->n; i++) {
    struct slot *s = &p->slots[i];
    uint64_t filled;

    if (s->life.state == SLOT_FREE || s->seg.ord != h->ord || s->seg.layer != 0)
      continue;
    filled = slot_filled (s);
    if (s->life.hashed || s->base.v + filled <= h->to)
      return NULL;
    return filled == s->len || h->early ? s : NULL;
  }
  return NULL;
}

void
image_hash_slot (struct image_hash *h, struct pool *p, struct progress *progress,
                 struct slot *s)
{
  struct hash hash = h->hash;
  uint64_t end = facts_piece_end (h->facts, &s->seg), from = h->to;
  uint64_t to = min_u64 (s->base.v + slot_filled (s), end);

  assert (team_held (h->team) && !h->hashing && !s->life.hashed);
  assert (s->seg.ord == h->ord && s->base.v <= from && from < to);
  h->hashing = true;
  h->early = false;
  mutex_unlock (&h->team->lock);
  hash_update (&hash, s->buf + (from - s->base.v), to - from);
  mutex_lock (&h->team->lock);
  assert (h->hashing && h->to == from);
  h->hashing = false;
  h->hash = hash;
  h->to = to;
  if (to == end) {
    s->life.hashed = true;
    h->ord++;
    pool_retire (p, progress, s);
  }
}

bool
image_hash_checksum (const struct image_hash *h, uint64_t image_len, struct checksum *out)
{
  assert (team_held (h->team));
  if (!h->facts->imp.hash_image || h->to != image_len)
    return false;
  hash_peek (&h->hash, out);
  return true;
}
