/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot: see slot.h.
 */
#include "copy/slot.h"

#include <assert.h>

static const struct {
  const char *word;
  unsigned next;
} states[] = {
#define X(name, word, next) { word, next },
  SLOT_STATES (X)
#undef X
};

const char *
slot_state_word (enum slot_state state)
{
  return states[state].word;
}

bool
slot_may_follow (enum slot_state from, enum slot_state to)
{
  return (states[from].next & 1u << to) != 0;
}

void
slot_change (struct slot *s, enum slot_state to)
{
  assert (slot_may_follow (s->life.state, to));
  s->life.state = to;
}

host_off
slot_base (const struct copy_facts *f, const struct segment *seg)
{
  host_off base = seg->need.at;

  if (seg->committed)
    base.v = host_end (seg->need);
  else
    base.v = max_u64 (base.v, seg->committed_to.v);
  if (facts_hashes (f, seg))
    base.v = min_u64 (base.v, max_u64 (seg->at.v, f->imp.now.image_hashed_to));
  return base;
}

/* ---- Taken up ---------------------------------------------------------------------------- */

static int
load_digest (struct slot *s, const struct copy_facts *f, struct error *err)
{
  const struct segment *seg = &s->seg;

  if (seg->committed || seg->hash_len == 0)
    digest_init (&s->work.digest);
  else if (!digest_load (&s->work.digest, seg->hash, seg->hash_len))
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: segment %llu has no valid digest state; restore the journal, or forget "
                 "the import and start again",
                 journal_path (f->spec.journal), (unsigned long long)seg->ord);
  return 0;
}

int
slot_take_up (struct slot *s, const struct copy_facts *f, const struct segment *seg,
              uint64_t size, struct error *err)
{
  bool hash = facts_hashes (f, seg);

  assert (s->life.state == SLOT_FREE && !s->life.changed);
  s->seg = *seg;
  s->base = slot_base (f, seg);
  s->len = host_end (seg->need) - s->base.v;
  if (s->len > size || (hash && seg->at.v / f->segment_size != seg->ord))
    return fail (
        err, ERR_JOURNAL_CORRUPT,
        "%s: segment %llu is not where it should be, or too long; restore the journal, or "
        "forget the import and start again",
        journal_path (f->spec.journal), (unsigned long long)seg->ord);
  if (load_digest (s, f, err) == -1)
    return -1;
  s->net.part[0].end = s->len;
  s->net.part[0].asked = false;
  atomic_store (&s->net.part[0].there, 0);
  s->net.n_parts = 1;
  s->net.next_open = NULL;
  s->life.written = seg->committed;
  s->life.hashed = !hash || facts_piece_end (f, seg) <= f->imp.now.image_hashed_to;
  s->life.guest_published = 0;
  s->life.published = (struct segment_progress){ .ord = seg->ord,
                                                 .committed_to = seg->committed_to,
                                                 .committed_extents = seg->committed_extents,
                                                 .committed = seg->committed };
  s->work.next = seg->committed_extents;
  s->work.into = s->work.guest_put = 0;
  s->work.resume_to = seg->committed_to;
  slot_change (s, SLOT_IDLE);
  return 0;
}

/* ---- Parts ------------------------------------------------------------------------------- */

uint64_t
slot_filled (struct slot *s)
{
  const struct slot_part *p = s->net.part;
  uint64_t filled = 0;
  unsigned i;

  for (i = 0; i < s->net.n_parts && filled == (i == 0 ? 0 : p[i - 1].end); i++)
    filled += atomic_load_explicit (&p[i].there, memory_order_acquire);
  return filled;
}

bool
slot_adds_up (struct slot *s)
{
  const struct slot_part *p = s->net.part;
  uint64_t from = 0;
  unsigned k;

  if (s->net.n_parts == 0 || s->net.n_parts > PARTS_MAX)
    return false;
  for (k = 0; k < s->net.n_parts; from = p[k].end, k++) {
    uint64_t there = atomic_load_explicit (&p[k].there, memory_order_relaxed);

    if (p[k].end < from || there > p[k].end - from || (there > 0 && !p[k].asked))
      return false;
  }
  return from == s->len;
}

uint64_t
slot_part_from (const struct slot *s, unsigned k)
{
  return s->base.v + (k == 0 ? 0 : s->net.part[k - 1].end);
}

uint64_t
slot_part_end (const struct slot *s, unsigned k)
{
  return s->base.v + s->net.part[k].end;
}

bool
slot_part_whole (struct slot *s, unsigned k)
{
  return slot_part_from (s, k)
             + atomic_load_explicit (&s->net.part[k].there, memory_order_relaxed)
         == slot_part_end (s, k);
}

unsigned
slot_part_open (const struct slot *s)
{
  unsigned k = 0;

  while (k < s->net.n_parts && s->net.part[k].asked)
    k++;
  return k;
}

void
slot_part_split (struct slot *s, unsigned k, uint64_t at)
{
  struct slot_part *p = s->net.part;
  unsigned n;

  assert (s->net.n_parts < PARTS_MAX);
  assert (slot_part_from (s, k) <= at && at < slot_part_end (s, k));
  for (n = s->net.n_parts++; n > k; n--) {
    p[n].end = p[n - 1].end;
    p[n].asked = p[n - 1].asked;
    atomic_store (&p[n].there, atomic_load (&p[n - 1].there));
  }
  p[k].end = at - s->base.v;
  p[k + 1].asked = false;
  atomic_store (&p[k + 1].there, 0);
  assert (slot_adds_up (s));
}
