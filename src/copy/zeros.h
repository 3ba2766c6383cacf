/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zeros: the thread that makes zeros where the target does not read as zeros by itself (J6).
 * Zero runs have a cursor of their own, in progress, committed like segments.
 */
#ifndef QIMPORT_COPY_ZEROS_H
#define QIMPORT_COPY_ZEROS_H

#include "copy/progress.h"

struct zeros {
  const struct copy_facts *facts;
  struct team *team;
  struct progress *progress;

  pthread_t thread; /* the caller's, with whether it runs */
  bool runs;

  /* Guarded. */
  bool known; /* of a stream: it has ended, and its zero runs are in the journal */
  bool done;
};

/* Z's pointers are set, and whether the runs are known. */
int zeros_start (struct zeros *z, struct error *err);
/* After team_quit. */
void zeros_join (struct zeros *z);
/* With the lock held: now they are known. */
void zeros_tell_known (struct zeros *z);

#endif
