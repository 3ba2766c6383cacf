/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot: the inside of copy, shared by its files: copy.c (its life), plan.c (network), worker.c
 * (decode, write, hash), commit.c (sync, commit, zeros).
 *
 * A slot is a segment in flight with its buffer.  It goes: free -> filling (the network
 * thread) -> queued -> with a worker -> filling or queued again -> retired: everything written,
 * and hashed if the image is.  What a worker has written it publishes under the lock; only what
 * is published is committed.
 */
#ifndef QIMPORT_IMPORT_SLOT_H
#define QIMPORT_IMPORT_SLOT_H

#include <pthread.h>

#include "copy/copy.h"

enum { COPY_CLAIMS = 64, COPY_GRAIN = 4096, COPY_RUNS = 66, RUN_MAX = 24, PARTS_MAX = 128 };

enum slot_state { SLOT_FREE, SLOT_IDLE, SLOT_QUEUED, SLOT_BUSY, SLOT_BUSY_AGAIN };

/* Bytes of a segment that one request brings; a slow link has many small requests, so that what
 * comes is nearly in order. */
struct slot_part {
  uint64_t end; /* from the slot's base */
  bool asked;
  _Atomic uint64_t there;
};

struct slot {
  struct segment seg;
  uint8_t *buf;
  host_off base; /* of buf[0] */
  uint64_t len;  /* bytes that will be there */

  /* Under copy.lock; the network thread, which alone writes it, reads it without. */
  struct slot_part part[PARTS_MAX]; /* one behind the other, all of the slot */
  unsigned n_parts;

  /* Under copy.lock. */
  enum slot_state state;
  bool written; /* every extent */
  bool hashed;  /* the piece went into the image's digest, or need not */
  bool changed; /* published since the last commit took it */
  struct segment_progress published;
  uint64_t guest_published; /* of guest_put */
  struct slot *next_queued;

  /* The network thread's. */
  struct slot *next_open;

  /* The worker's that has it. */
  uint64_t next;      /* index of the extent to be written next */
  uint64_t into;      /* bytes of it that are written: plain data only */
  uint64_t guest_put; /* guest bytes written */
  host_off resume_to; /* where an earlier run left the first extent; 0 once it is used */
  struct digest digest;
};

/* How many bytes from BASE on are there: those of the parts that are whole, and of the next. */
static inline uint64_t
slot_filled (struct slot *s)
{
  uint64_t filled = 0;
  unsigned i;

  for (i = 0; i < s->n_parts && filled == (i == 0 ? 0 : s->part[i - 1].end); i++)
    filled += atomic_load_explicit (&s->part[i].there, memory_order_acquire);
  return filled;
}

/* One request: parts of segments, in host order. */
struct run {
  struct copy *c;
  struct slot *slots[RUN_MAX];
  unsigned part[RUN_MAX];
  size_t n, first; /* those before FIRST are whole; N 0: not in use */
  struct host_range range;
  uint64_t got;
  int64_t asked_at, first_at, last_at; /* the request, its first byte, its last so far */
};

/* Progress whose slot is gone, until a commit took it. */
struct pending {
  struct segment_progress *item;
  size_t n, cap;
  uint64_t guest; /* bytes, also of slots still in flight */
};

struct copy {
  struct copy_spec spec;
  struct journal_import imp;        /* as it was at copy_open */
  struct journal_reader *reader;    /* the network thread's */
  uint64_t image_len, segment_size; /* of layer 0 */
  uint8_t *buffers;
  uint64_t buffer_size;
  size_t arena_size; /* of a worker */
  struct slot *slots;
  size_t n_slots;

  /* The network thread's. */
  struct segment claims[COPY_CLAIMS];
  size_t claim_first, claim_n;
  bool claimed_all;
  struct run runs[COPY_RUNS];
  struct slot *open;      /* not asked for, or not all of it, in host order; they come first */
  uint64_t want;          /* bytes that a request should bring */
  double rate;            /* of the last request that ended, bytes a millisecond */
  uint64_t next_ord;      /* the next segment to be claimed from the journal */
  uint64_t planned_ord;   /* every segment before it has or had a slot */
  uint64_t segments_left; /* not planned yet, at most */
  _Atomic unsigned layer; /* whose source is in use: any thread may wake it */
  int64_t last_tick, last_watch;
  int64_t patience_ms;      /* with a request that brings nothing */
  _Atomic uint64_t fetched; /* over all attempts, as of now */

  pthread_mutex_t lock;
  /* Whoever waits for one of these goes on when quit or failed is set: copy_fail and copy_close
   * wake all of them.  A stop comes from a signal handler and wakes nobody: who waits on the
   * caller's thread looks at it ten times a second, and drain passes it on to the others. */
  pthread_cond_t work;              /* something for a worker, or quit */
  pthread_cond_t done;              /* a worker or the committer finished something */
  pthread_cond_t tick;              /* the committer should look */
  bool committer_runs, zeroer_runs; /* not beside what the lock guards: it is read in one go */
  pthread_t *threads;               /* the workers */
  unsigned n_workers, n_threads;    /* that there shall be, and are */
  pthread_t committer, zeroer;

  /* Under the lock. */
  bool quit, commit_now, failed, abandon;
  atomic_bool hurry; /* what is not written yet is left for the resume */
  struct error error;
  struct slot *queue, **queue_end;
  unsigned busy; /* workers with a slot */
  struct pending pending;
  struct import_progress committed; /* as the journal has it */
  uint64_t guest_written;
  uint64_t unsynced, unsynced_limit;
  uint64_t zero_ord, zero_off;
  bool zero_done;
  bool all_submitted; /* of a stream: it has ended, and its zero runs are in the journal */
  bool committing;

  /* The committer's. */
  struct held_piece held[TARGET_HELD_PIECES];
  uint8_t *held_bytes;

  /* The image's digest: of one worker at a time (hashing), under the lock otherwise. */
  bool hashing;
  bool hash_early;   /* also what has come of a segment that is not whole yet */
  uint64_t hash_ord; /* segment that goes in next */
  uint64_t hashed_to;
  struct hash image;
};

/* All with the lock held. */
void copy_fail (struct copy *c, const struct error *err);
void slot_queue (struct copy *c, struct slot *s);
/* Free S if nothing is left to be done with it; its progress moves to pending. */
void slot_retire (struct copy *c, struct slot *s);
bool copy_is_dirty (const struct copy *c);
/* Something happened that the network thread may wait for. */
void copy_wake (struct copy *c);

/* How many slots are free. */
size_t slots_free (struct copy *c);
/* Where SEG has to be fetched from: the first byte that is not committed, or not hashed. */
host_off slot_base (const struct copy *c, const struct segment *seg);
/* A free slot for SEG, taken up where it was left. */
struct slot *slot_take (struct copy *c, const struct segment *seg, struct error *err);

/* plan.c; the network thread's, without the lock. */
void plan_begin (struct copy *c);
/* Keep every connection busy. */
int plan_refill (struct copy *c, struct error *err);
/* Cut what is slower than was thought. */
void plan_watch (struct copy *c);
/* Everything was asked for. */
bool plan_done (const struct copy *c);

void *worker_main (void *copy);
void *committer_main (void *copy);
void *zeroer_main (void *copy);
/* One sync and commit of all that is published; takes the lock itself. */
int copy_commit (struct copy *c, struct error *err);
int pending_add (struct pending *p, const struct segment_progress *item);

#endif
