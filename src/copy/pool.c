/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pool: see pool.h.
 */
#include "copy/pool.h"

#include <stdlib.h>
#include <sys/mman.h>

int
pool_open (struct pool *p, struct team *team, size_t n, uint64_t buffer_size, struct error *err)
{
  size_t i;

  p->team = team;
  p->n = n;
  p->buffer_size = buffer_size;
  p->queue_end = &p->queue;
  p->slots = calloc (n, sizeof *p->slots);
  p->buffers = mmap (NULL, n * buffer_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p->slots == NULL || p->buffers == MAP_FAILED) {
    p->buffers = p->buffers == MAP_FAILED ? NULL : p->buffers;
    return fail_memory (err, "segment buffers; give less --memory");
  }
  for (i = n; i-- > 0;) {
    p->slots[i].buf = p->buffers + i * buffer_size;
    p->slots[i].life.next = p->free;
    p->free = &p->slots[i];
  }
  p->n_free = n;
  return 0;
}

void
pool_close (struct pool *p)
{
  if (p->buffers != NULL)
    munmap (p->buffers, p->n * p->buffer_size);
  free (p->slots);
  p->buffers = NULL;
  p->slots = NULL;
}

/* ---- From free to free --------------------------------------------------------------------
 */

struct slot *
pool_take (struct pool *p, const struct copy_facts *f, const struct segment *seg,
           struct error *err)
{
  struct slot *s = p->free;

  assert (team_held (p->team) && p->n_free > 0 && s != NULL);
  if (slot_take_up (s, f, seg, p->buffer_size, err) == -1)
    return NULL;
  assert (slot_adds_up (s));
  p->free = s->life.next;
  p->n_free--;
  p->planned_ord = max_u64 (p->planned_ord, seg->ord + 1);
  return s;
}

void
pool_queue (struct pool *p, struct slot *s)
{
  assert (team_held (p->team) && s->life.state != SLOT_FREE);
  if (s->life.state == SLOT_QUEUED || s->life.state == SLOT_AGAIN)
    return;
  if (s->life.state == SLOT_BUSY) {
    slot_change (s, SLOT_AGAIN);
    return;
  }
  slot_change (s, SLOT_QUEUED);
  s->life.next = NULL;
  *p->queue_end = s;
  p->queue_end = &s->life.next;
  pthread_cond_signal (&p->team->work);
}

struct slot *
pool_pop (struct pool *p)
{
  struct slot *s = p->queue;

  assert (team_held (p->team));
  if (s == NULL)
    return NULL;
  assert (s->life.state == SLOT_QUEUED);
  p->queue = s->life.next;
  if (p->queue == NULL)
    p->queue_end = &p->queue;
  return s;
}

bool
pool_pop_this (struct pool *p, struct slot *s)
{
  struct slot **link = &p->queue;

  assert (team_held (p->team));
  while (*link != NULL && *link != s)
    link = &(*link)->life.next;
  if (*link == NULL)
    return false;
  assert (s->life.state == SLOT_QUEUED);
  *link = s->life.next;
  if (p->queue_end == &s->life.next)
    p->queue_end = link;
  return true;
}

void
pool_give_back (struct pool *p, struct progress *progress, struct slot *s)
{
  bool again = s->life.state == SLOT_AGAIN && !s->life.written;

  assert (team_held (p->team));
  slot_change (s, SLOT_IDLE);
  if (again)
    pool_queue (p, s);
  else
    pool_retire (p, progress, s);
}

void
pool_retire (struct pool *p, struct progress *progress, struct slot *s)
{
  struct error err;

  assert (team_held (p->team) && s->life.state != SLOT_FREE);
  if (!s->life.written || !s->life.hashed || s->life.state != SLOT_IDLE
      || slot_filled (s) < s->len)
    return;
  assert (slot_adds_up (s) && slot_part_open (s) == s->net.n_parts);
  if (s->life.changed && pending_add (&progress->pending, &s->life.published) == -1) {
    fail_memory (&err, "progress");
    team_fail (p->team, &err);
    return;
  }
  s->life.changed = false;
  slot_change (s, SLOT_FREE);
  s->life.next = p->free;
  p->free = s;
  p->n_free++;
  assert (p->n_free <= p->n);
  pthread_cond_signal (&p->team->work); /* the next segment's bytes may wait to be hashed */
}

void
pool_drop_queue (struct pool *p)
{
  struct slot *s;

  while ((s = pool_pop (p)) != NULL)
    slot_change (s, SLOT_IDLE);
}

/* ---- As a whole ---------------------------------------------------------------------------
 */

void
pool_count_busy (struct pool *p, int change)
{
  assert (team_held (p->team) && (change > 0 || p->busy > 0));
  p->busy += (unsigned)change;
}

bool
pool_is_quiet (const struct pool *p)
{
  assert (team_held (p->team));
  return p->queue == NULL && p->busy == 0;
}

bool
pool_is_empty (const struct pool *p)
{
  return pool_is_quiet (p) && p->n_free == p->n;
}

bool
pool_has_changed (const struct pool *p)
{
  size_t i;

  assert (team_held (p->team));
  for (i = 0; i < p->n; i++)
    if (p->slots[i].life.changed)
      return true;
  return false;
}

uint64_t
pool_watermark (const struct pool *p)
{
  uint64_t mark = p->planned_ord;
  size_t i;

  assert (team_held (p->team));
  for (i = 0; i < p->n; i++)
    if (p->slots[i].life.state != SLOT_FREE)
      mark = min_u64 (mark, p->slots[i].seg.ord);
  return mark;
}
