/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_spec: what a comparison is of, and what came of it.
 */
#ifndef QIMPORT_VERIFY_COMPARE_SPEC_H
#define QIMPORT_VERIFY_COMPARE_SPEC_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/digest.h"
#include "journal/journal.h"
#include "target/target.h"

struct compare_spec {
  const char *journal_path;
  const struct journal_import *imp;
  struct target *target;
  bool whole; /* all of the guest, and its root; else only what is committed */
  unsigned threads;
  uint64_t memory; /* bytes of buffers, about */
  const atomic_bool *stop;
};

/* A range of the guest that is not as the journal says. */
struct difference {
  uint64_t start, length;
  bool zero; /* it should be zeros; else the bytes of a segment, one or more of which differ */
};

struct compare_result {
  uint64_t bytes_read; /* from the target */
  uint64_t segments, segments_compared, segments_differ;
  uint64_t segments_telling; /* that are the same, and not of one byte only */
  uint64_t zero_bytes;       /* of zero runs, compared */
  uint64_t differ_bytes;
  struct difference *differences; /* ascending, neighbours merged */
  size_t n_differences;
  bool cut;               /* there are more than are listed */
  uint64_t *segment_ords; /* those that differ, ascending; all of them */
  bool have_root;
  uint8_t root[DIGEST_SIZE];
};

#endif
