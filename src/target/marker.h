/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * marker: what the first sector of a target says while an import is in progress (J9): whose it
 * is, and how far.  Bytes in, facts out; reads and writes nothing.
 *
 *     qimport: import 5f2c... in progress, begun 2026-11-30T05:28:54.120Z, journal /var/...
 *     epoch 1f runs 5be0cd19:1 83d9abfb:12
 *     sha256 (of the bytes before this line)
 *     zeros
 *
 * It fills one sector, which a disk writes whole or not at all, so a power cut leaves the
 * marker of before or the one of after.
 *
 * EPOCH counts the syncs of a target.  A sync writes the next one before it, and the journal
 * has it with the commit that follows.  An epoch alone would not tell two histories apart that
 * began with the same copies of target and journal: so each process that opens the target adds
 * a RUN, a number of chance, with its first epoch.  What a journal calls committed in epoch E
 * of run R is on the target if the target's own past has E in R. */
#ifndef QIMPORT_TARGET_MARKER_H
#define QIMPORT_TARGET_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/extent.h"

/* The block that a marker takes is a page, so that what was known of the disk by its first
 * KiB is gone; the marker is its first sector. */
enum { MARKER_BLOCK = 4096, MARKER_RUNS = 6 };

struct marker_run {
  uint32_t run;  /* never 0 */
  uint64_t from; /* its first epoch */
};

struct marker {
  char import[37];   /* UUID */
  char begun[32];    /* RFC 3339 */
  char journal[112]; /* its path, for people: escaped, and its end only if it is long */
  uint64_t epoch;    /* from 1 */
  unsigned n_runs;
  struct marker_run runs[MARKER_RUNS]; /* the last is the one that goes on */
};

void marker_format (const struct marker *m, uint8_t sector[SECTOR]);
/* False if SECTOR is no marker, or not as it was written. */
bool marker_parse (struct marker *m, const uint8_t sector[SECTOR]);

/* Is what a journal calls committed in EPOCH of RUN on the target that has M?  Epoch 0: nothing
 * is. */
bool marker_has (const struct marker *m, uint32_t run, uint64_t epoch);
/* RUN begins, after what the journal has of EPOCH of run AFTER.  Runs between, of which the
 * journal knows nothing, are dropped: a journal that does know them is of another history now.
 */
void marker_begin_run (struct marker *m, uint32_t after, uint32_t run);

#endif
