/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare: the plan of a comparison (compare.h), the order of its leaves, and what was found.
 * Reads nothing of the target but where its holes are.
 */
#include "verify/compare_thread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- The plan --------------------------------------------------------------------------- */

/* Where segment next_ord begins on the guest.  1: there are no more segments to compare. */
static int
peek_segment (struct compare *c, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  const struct segment *s;
  struct extent e;
  size_t n;

  while (!c->have_guest) {
    if (c->next_ord >= imp->segments || imp->digests != DIGESTS_ALL)
      return 1;
    if (c->next_ord - c->rows_from >= c->n_rows) {
      c->rows_from = c->next_ord;
      if (journal_segments (c->reader, c->next_ord, c->rows, PLAN_ROWS, &c->n_rows, err) == -1)
        return -1;
      if (c->n_rows == 0)
        return fail (err, ERR_JOURNAL_CORRUPT,
                     "%s: segment %" PRIu64 " of the import is missing; restore the journal",
                     c->spec.journal_path, c->next_ord);
    }
    s = &c->rows[c->next_ord - c->rows_from];
    if (s->extents == 0) {
      c->next_ord++;
      continue;
    }
    if (journal_extents (c->reader, s, 0, &e, 1, &n, err) == -1)
      return -1;
    c->next_guest = e.guest.v;
    c->have_guest = true;
  }
  return 0;
}

/* The segments that begin before guest offset TO, in their own order. */
static int
plan_segments (struct compare *c, struct unit *u, uint64_t to, uint64_t most, struct error *err)
{
  int rc = 0;

  u->ord_from = c->next_ord;
  while (c->next_ord - u->ord_from < most && (rc = peek_segment (c, err)) == 0
         && c->next_guest < to) {
    c->next_ord++;
    c->have_guest = false;
  }
  u->ord_to = c->next_ord;
  return rc == -1 ? -1 : 0;
}

/* The zero run NEXT_RUN; 1 behind the last. */
static int
peek_zeros (struct compare *c, struct extent *out, struct error *err)
{
  if (c->next_run - c->runs_from >= c->n_runs) {
    c->runs_from = c->next_run;
    if (journal_zeros (c->reader, c->next_run, c->runs, PLAN_ROWS, &c->n_runs, err) == -1)
      return -1;
    if (c->n_runs == 0)
      return 1;
  }
  *out = c->runs[c->next_run - c->runs_from];
  return 0;
}

/* Pass over the zero runs that end before guest offset AT. */
static int
skip_zeros (struct compare *c, uint64_t at, struct error *err)
{
  struct extent z;
  int rc;

  while ((rc = peek_zeros (c, &z, err)) == 0 && extent_guest_end (&z) <= at)
    c->next_run++;
  return rc == -1 ? -1 : 0;
}

/* The next window of the guest: a run of whole leaves of a hole, or a buffer's worth. */
static int
plan_window (struct compare *c, struct unit *u, struct error *err)
{
  uint64_t size = c->spec.imp->virtual_size, run, end;
  guest_off at = { c->at };
  bool hole;

  if (target_next (c->spec.target, at, &run, &hole, err) == -1)
    return -1;
  u->from = c->at;
  end = c->at + run;
  if (end < size)
    end = align_down (end, MERKLE_LEAF);
  u->hole = hole && end > c->at;
  u->to = u->hole ? end : min_u64 (c->at + c->window, size);
  c->at = u->to;
  if (plan_segments (c, u, u->to, UNIT_SEGMENTS, err) == -1
      || skip_zeros (c, u->from, err) == -1)
    return -1;
  u->zero_from = c->next_run;
  return 1;
}

/* Of an import that is not complete: a committed zero run. */
static int
plan_zeros (struct compare *c, struct unit *u, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  struct extent z;
  int rc;

  if (c->next_run > imp->now.zero_ord
      || (c->next_run == imp->now.zero_ord && imp->now.zero_off == 0))
    return 0;
  rc = peek_zeros (c, &z, err);
  if (rc != 0)
    return rc == 1 ? 0 : -1;
  u->zeros.at = z.guest;
  u->zeros.len = c->next_run < imp->now.zero_ord ? z.len : min_u64 (z.len, imp->now.zero_off);
  c->next_run++;
  return 1;
}

static int
plan (struct compare *c, struct unit *u, struct error *err)
{
  uint64_t few = c->window / MERKLE_LEAF;

  if (c->spec.whole && c->at < c->spec.imp->virtual_size)
    return plan_window (c, u, err);
  if (plan_segments (c, u, UINT64_MAX, few, err) == -1)
    return -1;
  if (u->ord_to > u->ord_from)
    return 1;
  return c->spec.whole ? 0 : plan_zeros (c, u, err);
}

int
compare_next (struct compare *c, struct unit *u, struct error *err)
{
  int rc = 0;

  memset (u, 0, sizeof *u);
  pthread_mutex_lock (&c->lock);
  while (!c->failed && !atomic_load (&c->quit) && c->seq - c->flushed >= PLAN_AHEAD)
    pthread_cond_wait (&c->change, &c->lock);
  if (!c->failed && !atomic_load (&c->quit)) {
    rc = plan (c, u, err);
    u->seq = c->seq;
    c->seq += rc == 1;
  }
  pthread_mutex_unlock (&c->lock);
  return rc;
}

/* ---- The root ---------------------------------------------------------------------------- */

static void
flush_leaves (struct compare *c)
{
  struct leaves *l;
  unsigned i;

  while (c->flushed < c->seq && (l = &c->ring[c->flushed % PLAN_AHEAD])->ready) {
    merkle_zeros (&c->merkle, l->zeros);
    for (i = 0; i < l->n; i++)
      merkle_add (&c->merkle, l->digest[i]);
    l->ready = false;
    c->flushed++;
  }
}

void
compare_put_leaves (struct compare *c, const struct unit *u, const struct leaves *l)
{
  pthread_mutex_lock (&c->lock);
  c->ring[u->seq % PLAN_AHEAD] = *l;
  c->ring[u->seq % PLAN_AHEAD].ready = true;
  flush_leaves (c);
  pthread_cond_broadcast (&c->change);
  pthread_mutex_unlock (&c->lock);
}

/* ---- Findings ---------------------------------------------------------------------------- */

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

static int
add_difference (struct compare *c, const struct difference *d, struct error *err)
{
  struct compare_result *r = &c->result;

  r->differ_bytes += d->length;
  if (r->n_differences == DIFFERENCES_MAX)
    merge_differences (r);
  if (r->n_differences == DIFFERENCES_MAX) {
    r->cut = true;
    return 0;
  }
  if (r->n_differences == c->cap_differences) {
    size_t cap = c->cap_differences == 0 ? 256 : 2 * c->cap_differences;
    void *more = realloc (r->differences, cap * sizeof *r->differences);

    if (more == NULL)
      return fail_memory (err, "the differences");
    r->differences = more;
    c->cap_differences = cap;
  }
  r->differences[r->n_differences++] = *d;
  return 0;
}

int
compare_add_difference (struct compare *c, const struct difference *d, struct error *err)
{
  int rc;

  pthread_mutex_lock (&c->lock);
  rc = add_difference (c, d, err);
  pthread_mutex_unlock (&c->lock);
  return rc;
}

static int
add_segment (struct compare *c, uint64_t ord, struct error *err)
{
  struct compare_result *r = &c->result;

  if (r->segments_differ == c->cap_segments) {
    size_t cap = c->cap_segments == 0 ? 64 : 2 * c->cap_segments;
    void *more = realloc (r->segment_ords, cap * sizeof *r->segment_ords);

    if (more == NULL)
      return fail_memory (err, "the segments that differ");
    r->segment_ords = more;
    c->cap_segments = cap;
  }
  r->segment_ords[r->segments_differ++] = ord;
  return 0;
}

int
compare_add_segment (struct compare *c, uint64_t ord, struct error *err)
{
  int rc;

  pthread_mutex_lock (&c->lock);
  rc = add_segment (c, ord, err);
  pthread_mutex_unlock (&c->lock);
  return rc;
}

static int
by_number (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

  return x < y ? -1 : x > y;
}

void
compare_take (struct compare *c, struct compare_result *out)
{
  struct compare_result *r = &c->result;

  merge_differences (r);
  if (r->segments_differ > 0)
    qsort (r->segment_ords, r->segments_differ, sizeof *r->segment_ords, by_number);
  r->segments = c->spec.imp->segments;
  r->bytes_read = atomic_load (&c->bytes_read);
  r->have_root = c->spec.whole;
  merkle_root (&c->merkle, r->root);
  *out = *r;
  memset (r, 0, sizeof *r);
}

void
compare_result_release (struct compare_result *r)
{
  free (r->differences);
  free (r->segment_ords);
  memset (r, 0, sizeof *r);
}

/* ---- Open, step, close --------------------------------------------------------------------
 */

static int
start_threads (struct compare *c, struct error *err)
{
  c->threads = calloc (c->spec.threads, sizeof *c->threads);
  if (c->threads == NULL)
    return fail_memory (err, "threads");
  pthread_mutex_lock (&c->lock);
  while (c->n_threads < c->spec.threads
         && pthread_create (&c->threads[c->n_threads], NULL, look_main, c) == 0)
    c->n_threads++;
  c->running = c->n_threads;
  pthread_mutex_unlock (&c->lock);
  return c->n_threads > 0 ? 0 : fail (err, ERR_NO_MEMORY, "cannot start a thread");
}

int
compare_open (struct compare **out, const struct compare_spec *spec, struct error *err)
{
  struct compare *c = calloc (1, sizeof *c);
  pthread_condattr_t monotonic;
  uint64_t share;

  if (c == NULL)
    return fail_memory (err, "an audit");
  c->spec = *spec;
  pthread_mutex_init (&c->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&c->change, &monotonic);
  pthread_condattr_destroy (&monotonic);
  merkle_init (&c->merkle);
  share = align_down (spec->memory / (2 * spec->threads), MERKLE_LEAF);
  c->window = min_u64 (max_u64 (share, MERKLE_LEAF), (uint64_t)WINDOW_LEAVES * MERKLE_LEAF);
  if (journal_reader_open (&c->reader, spec->journal_path, spec->imp->no, err) == -1
      || start_threads (c, err) == -1) {
    compare_close (c);
    return -1;
  }
  *out = c;
  return 0;
}

void
compare_close (struct compare *c)
{
  unsigned i;

  if (c == NULL)
    return;
  pthread_mutex_lock (&c->lock);
  atomic_store (&c->quit, true);
  pthread_cond_broadcast (&c->change);
  pthread_mutex_unlock (&c->lock);
  for (i = 0; i < c->n_threads; i++)
    pthread_join (c->threads[i], NULL);
  free (c->threads);
  journal_reader_close (c->reader);
  compare_result_release (&c->result);
  pthread_cond_destroy (&c->change);
  pthread_mutex_destroy (&c->lock);
  free (c);
}

static struct timespec
in_ms (int ms)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  t.tv_nsec += (ms % 1000) * 1000000L;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

int
compare_step (struct compare *c, int timeout_ms, struct error *err)
{
  struct timespec end = in_ms (timeout_ms < 100 ? timeout_ms : 100); /* a stop wakes nobody */
  int rc = 1;

  pthread_mutex_lock (&c->lock);
  if (c->running > 0 && !c->failed)
    pthread_cond_timedwait (&c->change, &c->lock, &end);
  if (c->failed) {
    *err = c->error;
    rc = -1;
  } else if (c->running == 0) {
    rc = 0;
  }
  pthread_mutex_unlock (&c->lock);
  return rc;
}

uint64_t
compare_done (struct compare *c)
{
  return atomic_load (&c->done);
}
