/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * committer: makes durable and then records (J1), on a timer and when asked.  Decodes nothing,
 * fetches nothing.
 */
#ifndef QIMPORT_COPY_COMMITTER_H
#define QIMPORT_COPY_COMMITTER_H

#include "copy/image_hash.h"

struct committer {
  const struct copy_facts *facts;
  struct team *team;
  struct pool *pool;
  struct image_hash *image_hash;
  struct progress *progress;

  pthread_t thread; /* the caller's, with whether it runs */
  bool runs;

  /* Guarded. */
  bool asked;   /* commit now, whatever the time */
  bool at_work; /* its thread syncs or records */
  bool abandon; /* T3: what is not committed now never will be by this process */

  /* The committing thread's. */
  struct held_piece held[TARGET_HELD_PIECES];
  uint8_t *held_bytes;
};

/* C's pointers are set. */
int committer_start (struct committer *c, struct error *err);
/* After team_quit. */
void committer_join (struct committer *c);

/* One sync and commit of all that is published, on the caller's thread; where the committer's
 * own has ended. */
int committer_commit (struct committer *c, struct error *err);

/* ---- With the lock held -------------------------------------------------------------------
 */

/* Something is published that is not committed. */
bool committer_is_behind (const struct committer *c);
/* Commit soon; what is being committed may be all that is needed. */
void committer_ask (struct committer *c);

#endif
