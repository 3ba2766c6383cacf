/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_findings: what a comparison found, as it comes: the differences, bounded, and the
 * segments that differ, all of them.
 */
#ifndef QIMPORT_VERIFY_COMPARE_FINDINGS_H
#define QIMPORT_VERIFY_COMPARE_FINDINGS_H

#include "base/error.h"
#include "verify/compare_spec.h"

enum { DIFFERENCES_MAX = 65536 /* kept, before they are merged */ };

struct compare_findings {
  struct compare_result result;
  size_t cap_differences, cap_segments;
};

int findings_add_difference (struct compare_findings *f, const struct difference *d,
                             struct error *err);
int findings_add_segment (struct compare_findings *f, uint64_t ord, struct error *err);
/* Ascending; neighbours become one. */
void findings_sort (struct compare_findings *f);

#endif
