/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_plan: see compare_plan.h.
 */
#include "verify/compare_plan.h"

#include <inttypes.h>

#include "verify/merkle.h"

int
compare_plan_open (struct compare_plan *p, const struct compare_spec *spec, uint64_t window,
                   struct error *err)
{
  p->spec = spec;
  p->window = window;
  return journal_reader_open (&p->reader, spec->journal_path, spec->imp->no, err);
}

void
compare_plan_close (struct compare_plan *p)
{
  journal_reader_close (p->reader);
}

/* Where segment next_ord begins on the guest.  1: there are no more segments to compare. */
static int
peek_segment (struct compare_plan *p, struct error *err)
{
  const struct journal_import *imp = p->spec->imp;
  const struct segment *s;
  struct extent e;
  size_t n;

  while (!p->have_guest) {
    if (p->next_ord >= imp->segments || imp->digests != DIGESTS_ALL)
      return 1;
    if (p->next_ord - p->rows.from >= p->rows.n) {
      p->rows.from = p->next_ord;
      if (journal_segments (p->reader, p->next_ord, p->rows.row, PLAN_ROWS, &p->rows.n, err)
          == -1)
        return -1;
      if (p->rows.n == 0)
        return fail (err, ERR_JOURNAL_CORRUPT,
                     "%s: segment %" PRIu64 " of the import is missing; restore the journal",
                     p->spec->journal_path, p->next_ord);
    }
    s = &p->rows.row[p->next_ord - p->rows.from];
    if (s->extents == 0) {
      p->next_ord++;
      continue;
    }
    if (journal_extents (p->reader, s, 0, &e, 1, &n, err) == -1)
      return -1;
    p->next_guest = e.guest.v;
    p->have_guest = true;
  }
  return 0;
}

/* The segments that begin before guest offset TO, in their own order. */
static int
plan_segments (struct compare_plan *p, struct unit *u, uint64_t to, uint64_t most,
               struct error *err)
{
  int rc = 0;

  u->ord_from = p->next_ord;
  while (p->next_ord - u->ord_from < most && (rc = peek_segment (p, err)) == 0
         && p->next_guest < to) {
    p->next_ord++;
    p->have_guest = false;
  }
  u->ord_to = p->next_ord;
  return rc == -1 ? -1 : 0;
}

/* The zero run NEXT_RUN; 1 behind the last. */
static int
peek_zeros (struct compare_plan *p, struct extent *out, struct error *err)
{
  if (p->next_run - p->runs.from >= p->runs.n) {
    p->runs.from = p->next_run;
    if (journal_zeros (p->reader, p->next_run, p->runs.run, PLAN_ROWS, &p->runs.n, err) == -1)
      return -1;
    if (p->runs.n == 0)
      return 1;
  }
  *out = p->runs.run[p->next_run - p->runs.from];
  return 0;
}

/* Pass over the zero runs that end before guest offset AT. */
static int
skip_zeros (struct compare_plan *p, uint64_t at, struct error *err)
{
  struct extent z;
  int rc;

  while ((rc = peek_zeros (p, &z, err)) == 0 && extent_guest_end (&z) <= at)
    p->next_run++;
  return rc == -1 ? -1 : 0;
}

/* The next window of the guest: a run of whole leaves of a hole, or a buffer's worth. */
static int
plan_window (struct compare_plan *p, struct unit *u, struct error *err)
{
  uint64_t size = p->spec->imp->virtual_size, run, end;
  guest_off at = { p->at };
  bool hole;

  if (target_next (p->spec->target, at, &run, &hole, err) == -1)
    return -1;
  u->from = p->at;
  end = p->at + run;
  if (end < size)
    end = align_down (end, MERKLE_LEAF);
  u->hole = hole && end > p->at;
  u->to = u->hole ? end : min_u64 (p->at + p->window, size);
  p->at = u->to;
  if (plan_segments (p, u, u->to, UNIT_SEGMENTS, err) == -1
      || skip_zeros (p, u->from, err) == -1)
    return -1;
  u->zero_from = p->next_run;
  return 1;
}

/* Of an import that is not complete: a committed zero run. */
static int
plan_zeros (struct compare_plan *p, struct unit *u, struct error *err)
{
  const struct journal_import *imp = p->spec->imp;
  struct extent z;
  int rc;

  if (p->next_run > imp->now.zero_ord
      || (p->next_run == imp->now.zero_ord && imp->now.zero_off == 0))
    return 0;
  rc = peek_zeros (p, &z, err);
  if (rc != 0)
    return rc == 1 ? 0 : -1;
  u->zeros.at = z.guest;
  u->zeros.len = p->next_run < imp->now.zero_ord ? z.len : min_u64 (z.len, imp->now.zero_off);
  p->next_run++;
  return 1;
}

int
compare_plan_next (struct compare_plan *p, struct unit *u, struct error *err)
{
  uint64_t few = p->window / MERKLE_LEAF;

  if (p->spec->whole && p->at < p->spec->imp->virtual_size)
    return plan_window (p, u, err);
  if (plan_segments (p, u, UINT64_MAX, few, err) == -1)
    return -1;
  if (u->ord_to > u->ord_from)
    return 1;
  return p->spec->whole ? 0 : plan_zeros (p, u, err);
}
