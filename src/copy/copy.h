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
#ifndef QIMPORT_COPY_COPY_H
#define QIMPORT_COPY_COPY_H

#include "base/error.h"
#include "base/own.h"
#include "copy/copy_spec.h"

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
/* And so many bytes came in this run so far, whatever became of them. */
void copy_submit_fetched (struct copy *c, uint64_t bytes);
/* No more segments will be submitted. */
void copy_submit_end (struct copy *c);

struct copy_progress {
  uint64_t guest_written, guest_committed, segments_committed, zero_committed;
};
/* From any thread. */
void copy_progress (struct copy *c, struct copy_progress *out);

/* Of several targets: is the OUTLET-th still written to?  WHY not.  The last one is, until the
 * copy fails. */
bool copy_lives (struct copy *c, unsigned outlet, struct error *why);

/* The image's checksum, when all of it was hashed. */
bool copy_image_checksum (struct copy *c, uint64_t image_len, struct checksum *out);

#endif
