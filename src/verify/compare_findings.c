/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_findings: see compare_findings.h.
 */
#include "verify/compare_findings.h"

#include <stdlib.h>

static int
by_start (const void *a, const void *b)
{
  const struct difference *x = a, *y = b;

  return x->start < y->start ? -1 : x->start > y->start;
}

static void
merge_differences (struct compare_result *r)
{
  struct difference *to = r->differences;
  size_t i;

  if (r->n_differences == 0)
    return;
  qsort (r->differences, r->n_differences, sizeof *r->differences, by_start);
  for (i = 1; i < r->n_differences; i++) {
    const struct difference *d = &r->differences[i];

    if (d->zero == to->zero && d->start == to->start + to->length)
      to->length += d->length;
    else
      *++to = *d;
  }
  r->n_differences = (size_t)(to - r->differences) + 1;
}

int
findings_add_difference (struct compare_findings *f, const struct difference *d,
                         struct error *err)
{
  struct compare_result *r = &f->result;

  r->differ_bytes += d->length;
  if (r->n_differences == DIFFERENCES_MAX)
    merge_differences (r);
  if (r->n_differences == DIFFERENCES_MAX) {
    r->cut = true;
    return 0;
  }
  if (r->n_differences == f->cap_differences) {
    size_t cap = f->cap_differences == 0 ? 256 : 2 * f->cap_differences;
    void *more = realloc (r->differences, cap * sizeof *r->differences);

    if (more == NULL)
      return fail_memory (err, "the differences");
    r->differences = more;
    f->cap_differences = cap;
  }
  r->differences[r->n_differences++] = *d;
  return 0;
}

int
findings_add_segment (struct compare_findings *f, uint64_t ord, struct error *err)
{
  struct compare_result *r = &f->result;

  if (r->segments_differ == f->cap_segments) {
    size_t cap = f->cap_segments == 0 ? 64 : 2 * f->cap_segments;
    void *more = realloc (r->segment_ords, cap * sizeof *r->segment_ords);

    if (more == NULL)
      return fail_memory (err, "the segments that differ");
    r->segment_ords = more;
    f->cap_segments = cap;
  }
  r->segment_ords[r->segments_differ++] = ord;
  return 0;
}

static int
by_number (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

  return x < y ? -1 : x > y;
}

void
findings_sort (struct compare_findings *f)
{
  struct compare_result *r = &f->result;

  merge_differences (r);
  if (r->segments_differ > 0)
    qsort (r->segment_ords, r->segments_differ, sizeof *r->segment_ords, by_number);
}
