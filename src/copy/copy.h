/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy: from the sealed map in the journal to committed bytes on the target.  The caller's
 * thread runs the network; workers decode and write straight from the segments' buffers; a
 * committer syncs and commits on a timer, so that the disk's sync never stops the network; one
 * thread makes zeros where the target does not read as zeros by itself.  A fixed pool of
 * segment buffers is the only flow control: no buffer free, no new range asked for.
 *
 *   J1  What is committed was published by a worker before the sync that covers it began.
 *   J3  Writing a cluster again writes the same bytes at the same places.
 *   J6  Zero runs have a cursor of their own, committed like segments.
 */
#ifndef QIMPORT_COPY_H
#define QIMPORT_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"
#include "journal/journal.h"
#include "qcow2/qcow2.h"
#include "source/source.h"
#include "target/kept.h"
#include "target/target.h"

struct copy_spec {
  struct journal *journal;
  const struct journal_import *imp;
  const struct layer_format *formats; /* one a layer */
  const struct extent *extents; /* of the map, from journal_map_keep; NULL: read their rows */
  size_t n_extents;
  struct source *const *sources; /* one a layer; not used in a stream */
  struct target *target;
  unsigned connections, workers;
  uint64_t memory; /* bytes of segment buffers */
  int64_t commit_interval_ms;
  struct kept *kept;             /* made durable with every commit; may be NULL */
  int64_t deadline_ms;           /* monotonic; 0: none */
  const atomic_bool *stop;       /* set: wait for nothing that can take long */
  const atomic_bool *may_commit; /* the journal's check has passed */
  const atomic_bool *check_over; /* and if it is not so then, it never will be */
};

struct copy;

/* Copies SPEC; what it points to must outlive the copy. ERR_USAGE when the memory is less than
 * the image needs, saying how much that is. */
int copy_open (struct copy **out, const struct copy_spec *spec, struct error *err);
/* Ends the threads; what was not committed is done again at resume. */
void copy_close (struct copy *c);
OWNABLE (copy)

/* Let it go on for about TIMEOUT_MS.  1: more; 0: every byte is written and committed; -1. */
int copy_step (struct copy *c, int timeout_ms, struct error *err);

/* Stop fetching, write what has come, sync and commit it. */
int copy_stop (struct copy *c, struct error *err);

/* In a stream the bytes are handed in: those of SEG->need, all of them.  Waits for a buffer,
 * until the copy has failed, the stop or the deadline has come, or the journal's check has
 * failed (ERR_INTERRUPTED, for the caller to say why). */
int copy_submit (struct copy *c, const struct segment *seg, const uint8_t *bytes,
                 struct error *err);
/* No more segments will be submitted. */
void copy_submit_end (struct copy *c);

struct copy_progress {
  uint64_t guest_written, guest_committed, segments_committed, zero_committed;
};
/* From any thread. */
void copy_progress (struct copy *c, struct copy_progress *out);

/* The image's checksum, when all of it was hashed. */
bool copy_image_checksum (struct copy *c, uint64_t image_len, struct checksum *out);

#endif
