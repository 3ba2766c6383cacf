/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * progress: how far a copy is: what is published (on the target, in the kernel's memory
 * perhaps), what of that waits for the next commit, and what is committed.  It never goes back.
 * Syncs nothing and writes no journal.
 */
#ifndef QIMPORT_COPY_PROGRESS_H
#define QIMPORT_COPY_PROGRESS_H

#include "copy/slot.h"
#include "copy/team.h"

/* Of segments whose slot is gone, until a commit took it. */
struct pending {
  struct segment_progress *item;
  size_t n, cap;
  uint64_t guest; /* bytes, also of slots still in flight */
  uint64_t zeros; /* of them */
};

int pending_add (struct pending *p, const struct segment_progress *item);

struct progress {
  struct team *team;
  _Atomic uint64_t fetched; /* over all attempts, as of now; the network thread's to write */

  /* Guarded. */
  struct pending pending;
  struct import_progress committed; /* as the journal has it */
  uint64_t guest_written;
  uint64_t unsynced, unsynced_limit; /* bytes */
  uint64_t zero_ord, zero_off;       /* zero runs before ZERO_ORD are done, ZERO_OFF of it */
};

void progress_open (struct progress *p, struct team *team, const struct journal_import *imp);
void progress_close (struct progress *p);

/* ---- With the lock held -------------------------------------------------------------------
 */

/* The worker that has S wrote WROTE bytes to the target. */
void progress_wrote (struct progress *p, uint64_t wrote);
/* And all that NOW says of S is there. */
void progress_publish (struct progress *p, struct slot *s, const struct segment_progress *now);
/* N more bytes of zero run ZERO_ORD read as zeros, of which WROTE were made to; LAST: that was
 * the rest of it. */
void progress_zeroed (struct progress *p, uint64_t n, uint64_t wrote, bool last);
/* More waits for a sync than the disk can do in time. */
bool progress_is_pressed (const struct progress *p);
/* A sync of BYTES took MS. */
void progress_synced (struct progress *p, uint64_t bytes, int64_t ms);
/* What is in the journal now. */
void progress_committed (struct progress *p, const struct import_progress *now);

#endif
