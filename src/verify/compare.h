/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare: what a target holds against what the journal says of it, read uncached by as many
 * threads as there are processors, and the root digest made on the way.  Reads only: it never
 * writes to the target or the journal, and knows no network.
 *
 * The guest is read once, in guest order, a window at a time: a window's leaves, its zero runs
 * and the segments that begin in it are all taken from one buffer.  What reaches out of the
 * window, or lies elsewhere than the order of the image's host space lets expect, is read a
 * second time.  Holes of files are asked for, not read.
 */
#ifndef QIMPORT_VERIFY_COMPARE_H
#define QIMPORT_VERIFY_COMPARE_H

#include "base/error.h"
#include "base/own.h"
#include "verify/compare_spec.h"

void compare_result_release (struct compare_result *r);

struct compare;

/* What SPEC points to must outlive the comparison. */
int compare_open (struct compare **out, const struct compare_spec *spec, struct error *err);
/* Ends the threads. */
void compare_close (struct compare *c);
OWNABLE (compare)

/* Wait for about TIMEOUT_MS.  1: more; 0: all is compared; -1. */
int compare_step (struct compare *c, int timeout_ms, struct error *err);

/* Guest bytes looked at so far; from any thread. */
uint64_t compare_done (struct compare *c);

/* After the last step: moved to OUT. */
void compare_take (struct compare *c, struct compare_result *out);

#endif
