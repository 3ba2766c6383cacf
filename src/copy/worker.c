/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * worker: see worker.h.
 */
#include "copy/worker.h"

#include <stdlib.h>

#include "copy/segment_writer.h"

/* The disk's sync shall not take longer than a signal may wait. */
static void
wait_for_sync (struct workers *w)
{
  struct team *team = w->team;

  while (progress_is_pressed (w->progress) && !team_ends (team)
         && !atomic_load (&team->hurry)) {
    pthread_cond_signal (&team->tick);
    mutex_wait (&team->lock, &team->done);
  }
}

/* S was written to where NOW says, or RC is -1 and ERR why not. */
static void
take_result (struct workers *w, struct slot *s, const struct segment_progress *now, int rc,
             const struct error *err)
{
  if (rc == -1 && err->code == ERR_INTERRUPTED)
    ; /* what was published of it stays; the rest is done again at resume (J3) */
  else if (rc == -1)
    team_fail (w->team, err);
  else if (!w->team->failed)
    progress_publish (w->progress, s, now);
  pool_give_back (w->pool, w->progress, s);
}

/* With the lock held; off while it works.  What can be hashed of the image is hashed by the
 * way. */
static void
write_slot (struct workers *w, struct segment_writer *writer, struct slot *s)
{
  struct segment_progress now = { 0 };
  struct error err = { 0 };
  struct image_turn turn = { 0 };
  struct slot *hashable;
  uint64_t have, wrote = 0;
  bool failed;
  int rc = 0;

  wait_for_sync (w);
  slot_change (s, SLOT_BUSY);
  have = s->base.v + slot_filled (s);
  failed = w->team->failed;
  hashable = failed ? NULL : image_hash_candidate (w->image_hash, w->pool);
  if (hashable != NULL)
    image_hash_begin (w->image_hash, hashable, &turn);
  mutex_unlock (&w->team->lock);
  if (!failed)
    rc = segment_writer_write (writer, s, have, turn.slot == NULL ? NULL : &turn.bytes, &now,
                               &wrote, &err);
  mutex_lock (&w->team->lock);
  if (turn.slot != NULL)
    image_hash_end (w->image_hash, w->pool, w->progress, &turn);
  progress_wrote (w->progress, wrote);
  take_result (w, s, &now, rc, &err);
}

/* What waits to be written: HASHABLE first.  What another worker will soon hash is left to it,
 * unless so much waits that it is too slow alone: then what it would come to last. */
static struct slot *
next_to_write (struct workers *w, struct slot *hashable)
{
  struct slot *s, *last = NULL;
  size_t n = 0;

  if (hashable != NULL && pool_pop_this (w->pool, hashable))
    return hashable;
  for (s = w->pool->queue; s != NULL; s = s->life.next) {
    if (!image_hash_comes_to (w->image_hash, s))
      break;
    if (last == NULL || s->seg.ord > last->seg.ord)
      last = s;
    n++;
  }
  if (s == NULL && n > w->pool->n / 2)
    s = last;
  if (s != NULL)
    pool_pop_this (w->pool, s);
  return s;
}

/* With the lock held: something, if there is anything. */
static bool
work (struct workers *w, struct segment_writer *writer)
{
  struct slot *hashable = image_hash_candidate (w->image_hash, w->pool);
  struct slot *s = next_to_write (w, hashable);

  if (s == NULL && hashable == NULL)
    return false;
  pool_count_busy (w->pool, 1);
  if (s != NULL)
    write_slot (w, writer, s);
  else
    image_hash_slot (w->image_hash, w->pool, w->progress, hashable);
  pool_count_busy (w->pool, -1);
  team_tell_done (w->team);
  return true;
}

static void *
worker_main (void *workers)
{
  struct workers *w = workers;
  OWN (segment_writer) writer = NULL;
  struct error err;
  int rc = segment_writer_open (&writer, w->facts, &w->team->hurry, w->arena_size, &err);

  mutex_lock (&w->team->lock);
  if (rc == -1)
    team_fail (w->team, &err);
  while (rc == 0 && !w->team->quit)
    if (!work (w, writer))
      mutex_wait (&w->team->lock, &w->team->work);
  mutex_unlock (&w->team->lock);
  return NULL;
}

int
workers_start (struct workers *w, unsigned n, struct error *err)
{
  w->threads = calloc (n, sizeof *w->threads);
  if (w->threads == NULL)
    return fail_memory (err, "threads");
  for (w->n = 0; w->n < n; w->n++)
    if (pthread_create (&w->threads[w->n], NULL, worker_main, w) != 0)
      return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  return 0;
}

void
workers_join (struct workers *w)
{
  unsigned i;

  for (i = 0; i < w->n; i++)
    pthread_join (w->threads[i], NULL);
  free (w->threads);
  w->threads = NULL;
  w->n = 0;
}
