/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * outlets: where the decoded bytes of a copy go: one target, or several that are written from
 * one fetch, each of an import of its own.  J1 and J9 hold for each by itself: its own sync
 * comes before its own commit, with its own marker.
 *
 * One that fails is left out from then on: nothing is written to it, and nothing committed. The
 * last one does not fall out; what it cannot do, the copy cannot.  Nothing is kept for one that
 * is slow: the others wait for it.
 *
 * Threads: what writes may be called from several; outlets_sync from one beside them.
 */
#ifndef QIMPORT_COPY_OUTLETS_H
#define QIMPORT_COPY_OUTLETS_H

#include <pthread.h>

#include "copy/copy_spec.h"
#include "copy/write_gather.h"

struct outlet {
  struct target *target;
  int64_t import_no;
  bool failed; /* guarded by the lock, with the reason */
  struct error why;
};

struct outlets {
  pthread_mutex_t lock;
  struct outlet item[COPY_OUTLETS_MAX];
  unsigned n;
};

void outlets_open (struct outlets *o, const struct copy_spec *spec);
void outlets_close (struct outlets *o);

/* Is the I-th still written to?  WHY not; may be NULL. */
bool outlets_lives (struct outlets *o, unsigned i, struct error *why);

/* Zeros need not be written: to all of them, to some. */
bool outlets_all_read_zero (struct outlets *o);
bool outlets_some_read_zero (struct outlets *o);

/* What is gathered, to each; *WROTE is what one of them got, also where it failed. */
int outlets_write (struct outlets *o, struct gather *g, uint64_t *wrote, struct error *err);
/* To each that does not read as zeros anyway; ERR_INTERRUPTED as target_zero. */
int outlets_zero (struct outlets *o, guest_off at, uint64_t len, const atomic_bool *stop,
                  struct error *err);
/* target_sync of each, all at the same time.  0: it returned 0 for each that lives now. */
int outlets_sync (struct outlets *o, struct error *err);

#endif
