/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pool: the slots: those that are free, those that wait for a worker, and how many workers are
 * at one.  A fixed number of buffers is the only flow control of a copy.  Takes no lock itself:
 * all of it but open and close is called with the team's lock held.
 */
#ifndef QIMPORT_COPY_POOL_H
#define QIMPORT_COPY_POOL_H

#include "copy/progress.h"
#include "copy/slot.h"
#include "copy/team.h"

struct pool {
  struct team *team;
  uint8_t *buffers;
  uint64_t buffer_size;
  struct slot *slots;
  size_t n;

  /* Guarded. */
  struct slot *free;
  size_t n_free;
  struct slot *queue, **queue_end;
  unsigned busy;        /* workers that have a slot, or hash one */
  uint64_t planned_ord; /* every segment before it has or had a slot */
};

/* N slots of BUFFER_SIZE bytes. */
int pool_open (struct pool *p, struct team *team, size_t n, uint64_t buffer_size,
               struct error *err);
void pool_close (struct pool *p);

/* A slot that must be free becomes SEG's, as it was left; NULL where the journal's row is not
 * what it can be. */
struct slot *pool_take (struct pool *p, const struct copy_facts *f, const struct segment *seg,
                        struct error *err);
/* S has bytes for a worker; one that has it already is told to look again. */
void pool_queue (struct pool *p, struct slot *s);
/* The first that waits, which stays queued until it is begun (SLOT_BUSY); NULL. */
struct slot *pool_pop (struct pool *p);
/* S waits no more, as if pool_pop had given it; false: it does not wait, or a worker has it. */
bool pool_pop_this (struct pool *p, struct slot *s);
/* A worker gives S back: to the queue where more has come meanwhile and is wanted, else as
 * pool_retire does. */
void pool_give_back (struct pool *p, struct progress *progress, struct slot *s);
/* Free S if nothing is left to be done with it and nothing on its way to its buffer; what it
 * published moves to PROGRESS's pending. */
void pool_retire (struct pool *p, struct progress *progress, struct slot *s);
/* What waits is not worked on any more: a stop. */
void pool_drop_queue (struct pool *p);

/* A worker begins something (+1), or ends it (-1). */
void pool_count_busy (struct pool *p, int change);
/* No worker has or could have anything to do. */
bool pool_is_quiet (const struct pool *p);
/* And every slot is free. */
bool pool_is_empty (const struct pool *p);
/* Something is published that no commit took. */
bool pool_has_changed (const struct pool *p);
/* Every segment before this is published entirely, and hashed. */
uint64_t pool_watermark (const struct pool *p);

#endif
