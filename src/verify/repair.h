/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * repair: what a comparison found to differ is fetched again, and zeros are made where zeros
 * should be.
 */
#ifndef QIMPORT_VERIFY_REPAIR_H
#define QIMPORT_VERIFY_REPAIR_H

#include "verify/compare.h"
#include "verify/verify.h"

struct repair_result {
  uint64_t segments; /* fetched again and written */
  uint64_t zeros;    /* bytes made zeros */
  uint64_t fetched;  /* bytes, over all repairs of an audit */
};

struct repair;

/* FOUND says what differs; the target of V is open for writing, and where segments differ its
 * image too.  All that is given must outlive it; RESULT goes on from what it has. */
int repair_open (struct repair **out, const struct verify_spec *v,
                 const struct compare_result *found, struct repair_result *result,
                 struct error *err);
/* 1: more; 0: all of it is written and synced; -1.  *STOP: ERR_INTERRUPTED. */
int repair_step (struct repair *r, const atomic_bool *stop, struct error *err);
void repair_close (struct repair *r);

#endif
