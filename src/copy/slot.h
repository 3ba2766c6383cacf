/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot: a segment in flight with its buffer.  Its life is the table below; each part of the
 * struct belongs to whom its own struct names.  Knows neither the pool that it is of nor the
 * requests that fill it.
 */
#ifndef QIMPORT_COPY_SLOT_H
#define QIMPORT_COPY_SLOT_H

#include <stdatomic.h>

#include "copy/facts.h"

/* State, word, the states that may follow.
 *
 *   free ---> idle ---> queued ---> busy ---> idle ...
 *     ^        |  ^        |         |
 *     +--------+  +--------+         +-----> again ---> idle
 */
#define SLOT_STATES(X)                                                                       \
  X (FREE, "free", SLOT_BIT (IDLE))                       /* no segment's */                 \
  X (IDLE, "idle", SLOT_BIT (QUEUED) | SLOT_BIT (FREE))   /* waits for bytes, or the hash */ \
  X (QUEUED, "queued", SLOT_BIT (BUSY) | SLOT_BIT (IDLE)) /* for a worker; idle: a stop */   \
  X (BUSY, "busy", SLOT_BIT (AGAIN) | SLOT_BIT (IDLE))    /* a worker has it */              \
  X (AGAIN, "again", SLOT_BIT (IDLE)) /* a worker has it, and more has come meanwhile */

#define SLOT_BIT(name) (1u << SLOT_##name)

enum slot_state {
#define X(name, word, next) SLOT_##name,
  SLOT_STATES (X)
#undef X
};

enum { PARTS_MAX = 128 };

/* Bytes of a segment that one request brings; a slow link has many small requests, so that what
 * comes is nearly in order. */
struct slot_part {
  uint64_t end; /* from the slot's base */
  bool asked;
  _Atomic uint64_t there;
};

struct slot {
  /* These stay as they are while it is not free. */
  struct segment seg;
  uint8_t *buf;
  host_off base; /* of buf[0] */
  uint64_t len;  /* bytes that will be there */

  /* The network thread's, which alone writes it: with the lock held what others read. */
  struct {
    struct slot_part part[PARTS_MAX]; /* one behind the other, all of the slot */
    unsigned n_parts;
    struct slot *next_open; /* of those of which not all is asked for */
  } net;

  /* Guarded by the team's lock. */
  struct {
    enum slot_state state;
    bool written;                      /* every extent */
    bool hashed;                       /* the piece is in the image's hash, or need not be */
    bool changed;                      /* published since the last commit took it */
    struct segment_progress published; /* what is on the target */
    uint64_t guest_published;          /* of work.guest_put */
    struct slot *next;                 /* in the queue, or among the free */
  } life;

  /* The worker's that has it. */
  struct {
    uint64_t next;      /* index of the extent to be written next */
    uint64_t into;      /* bytes of it that are written: plain data only */
    uint64_t guest_put; /* guest bytes written */
    host_off resume_to; /* where an earlier run left the first extent; 0 once it is used */
    struct digest digest;
  } work;
};

const char *slot_state_word (enum slot_state state);
/* Does the table say that TO may come after FROM? */
bool slot_may_follow (enum slot_state from, enum slot_state to);
/* Asserts that it does. */
void slot_change (struct slot *s, enum slot_state to);

/* Where SEG has to be fetched from: the first byte that is not committed, or not hashed. */
host_off slot_base (const struct copy_facts *f, const struct segment *seg);

/* S, which is free and has SIZE bytes, becomes SEG's, as it was left.  ERR_JOURNAL_CORRUPT. */
int slot_take_up (struct slot *s, const struct copy_facts *f, const struct segment *seg,
                  uint64_t size, struct error *err);

/* How many bytes from the base on are there: those of the parts that are whole, and of the
 * next.  Any thread's, with the lock held. */
uint64_t slot_filled (struct slot *s);

/* The parts lie one behind the other and are all of it, none has more than its bytes, and what
 * was not asked for has none. */
bool slot_adds_up (struct slot *s);

/* ---- Parts: the network thread's --------------------------------------------------------- */

/* Host offsets. */
uint64_t slot_part_from (const struct slot *s, unsigned k);
uint64_t slot_part_end (const struct slot *s, unsigned k);
bool slot_part_whole (struct slot *s, unsigned k);
/* The first part that was not asked for, or their number. */
unsigned slot_part_open (const struct slot *s);
/* With the lock held: host offset AT, within part K, is its end; what lies behind it becomes
 * part K + 1, not asked for.  There must be room for one. */
void slot_part_split (struct slot *s, unsigned k, uint64_t at);

#endif
