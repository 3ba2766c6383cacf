/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * worker: the threads that write what has come of the segments, publish how far they came, and
 * hash the image.  Never sync and never commit.
 */
#ifndef QIMPORT_COPY_WORKER_H
#define QIMPORT_COPY_WORKER_H

#include "copy/image_hash.h"

struct workers {
  const struct copy_facts *facts;
  struct team *team;
  struct pool *pool;
  struct image_hash *image_hash;
  struct progress *progress;
  size_t arena_size;  /* bytes each decodes into */
  pthread_t *threads; /* the caller's, with the number that runs */
  unsigned n;
};

/* W's pointers are set. */
int workers_start (struct workers *w, unsigned n, struct error *err);
/* After team_quit. */
void workers_join (struct workers *w);

#endif
