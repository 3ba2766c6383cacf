/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_plan: a comparison in pieces, in their order.  Reads the journal, and nothing of the
 * target but where its holes are; for one thread at a time.
 */
#ifndef QIMPORT_VERIFY_COMPARE_PLAN_H
#define QIMPORT_VERIFY_COMPARE_PLAN_H

#include "base/error.h"
#include "verify/compare_spec.h"

enum {
  PLAN_ROWS = 128, /* rows read at once */
  UNIT_SEGMENTS = 64
};

/* A piece of the work, in the order of the plan. */
struct unit {
  uint64_t seq;
  uint64_t from, to;         /* guest window; empty: none */
  bool hole;                 /* all of it is */
  uint64_t zero_from;        /* zero runs of the window begin with this one, if any */
  struct guest_range zeros;  /* without a window: a zero run to look at; len 0: none */
  uint64_t ord_from, ord_to; /* segments */
};

struct compare_plan {
  const struct compare_spec *spec;
  uint64_t window; /* bytes: whole leaves */
  struct journal_reader *reader;
  uint64_t at;         /* guest bytes before this are planned */
  uint64_t next_ord;   /* of segments */
  uint64_t next_guest; /* where that one begins; valid when have_guest */
  bool have_guest;
  struct {
    struct segment row[PLAN_ROWS];
    uint64_t from;
    size_t n;
  } rows;
  uint64_t next_run;
  struct {
    struct extent run[PLAN_ROWS]; /* zero runs */
    uint64_t from;
    size_t n;
  } runs;
};

/* P: all zeros.  SPEC must outlive it. */
int compare_plan_open (struct compare_plan *p, const struct compare_spec *spec, uint64_t window,
                       struct error *err);
void compare_plan_close (struct compare_plan *p);

/* The next unit, but for its seq; *U is all zeros.  1, or 0 when there is none. */
int compare_plan_next (struct compare_plan *p, struct unit *u, struct error *err);

#endif
