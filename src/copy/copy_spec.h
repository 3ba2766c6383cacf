/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy_spec: what a copy is asked to do, and with what.
 */
#ifndef QIMPORT_COPY_COPY_SPEC_H
#define QIMPORT_COPY_COPY_SPEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/extent.h"
#include "journal/journal.h"
#include "qcow2/qcow2.h"
#include "source/source.h"
#include "target/kept.h"
#include "target/target.h"

enum { COPY_OUTLETS_MAX = 8 };

/* One of several targets of a copy, and the import that it is of: its map is that of the copy's
 * own, row by row, and it has come as far. */
struct copy_outlet {
  struct target *target;
  int64_t import_no;
};

struct copy_spec {
  struct journal *journal;
  const struct journal_import *imp;
  const struct layer_format *formats; /* one a layer */
  const struct extent *extents; /* of the map, from journal_map_keep; NULL: read their rows */
  size_t n_extents;
  struct source *const *sources; /* one a layer; not used in a stream */
  struct target *target;
  const struct copy_outlet *outlets; /* where N_OUTLETS is not 0: these instead of TARGET */
  unsigned n_outlets;
  unsigned connections, workers;
  uint64_t memory; /* bytes of segment buffers */
  int64_t commit_interval_ms;
  struct kept *kept;             /* made durable with every commit; may be NULL */
  int64_t deadline_ms;           /* monotonic; 0: none */
  const atomic_bool *stop;       /* set: wait for nothing that can take long */
  const atomic_bool *may_commit; /* the journal's check has passed */
  const atomic_bool *check_over; /* and if it is not so then, it never will be */
};

#endif
