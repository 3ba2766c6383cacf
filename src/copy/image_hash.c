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
image_hash_begin (struct image_hash *h, struct slot *s, struct image_turn *turn)
{
  uint64_t end = facts_piece_end (h->facts, &s->seg);

  turn->slot = s;
  turn->from = h->to;
  turn->to = min_u64 (s->base.v + slot_filled (s), end);
  assert (team_held (h->team) && !h->hashing && !s->life.hashed);
  assert (s->seg.ord == h->ord && s->base.v <= turn->from && turn->from < turn->to);
  turn->bytes.hash = h->hash;
  turn->bytes.at = s->buf + (turn->from - s->base.v);
  turn->bytes.end = s->buf + (turn->to - s->base.v);
  h->hashing = true;
  h->early = false;
}

void
image_hash_end (struct image_hash *h, struct pool *p, struct progress *progress,
                struct image_turn *turn)
{
  struct slot *s = turn->slot;

  assert (team_held (h->team) && h->hashing && h->to == turn->from);
  h->hashing = false;
  pthread_cond_signal (&h->team->work); /* what waited for it may be somebody else's now */
  if (turn->bytes.at < turn->bytes.end)
    return;
  h->hash = turn->bytes.hash;
  h->to = turn->to;
  if (turn->to == facts_piece_end (h->facts, &s->seg)) {
    s->life.hashed = true;
    h->ord++;
    pool_retire (p, progress, s);
  }
}

bool
image_hash_comes_to (const struct image_hash *h, const struct slot *s)
{
  assert (team_held (h->team));
  return h->hashing && s->seg.layer == 0 && s->seg.guest_bytes <= s->seg.need.len;
}

void
image_hash_slot (struct image_hash *h, struct pool *p, struct progress *progress,
                 struct slot *s)
{
  struct image_turn turn;
  struct hash_pair pair;

  image_hash_begin (h, s, &turn);
  mutex_unlock (&h->team->lock);
  pair_begin (&pair, NULL, &turn.bytes);
  pair_end (&pair);
  mutex_lock (&h->team->lock);
  image_hash_end (h, p, progress, &turn);
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
