/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare: see compare.h.  Begins and ends the threads of a comparison, and hands out what they
 * found.
 */
#include "verify/compare.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verify/compare_thread.h"

static int
start_threads (struct compare *c, struct error *err)
{
  c->threads = calloc (c->spec.threads, sizeof *c->threads);
  if (c->threads == NULL)
    return fail_memory (err, "threads");
  pthread_mutex_lock (&c->lock);
  while (c->n_threads < c->spec.threads
         && pthread_create (&c->threads[c->n_threads], NULL, compare_thread, c) == 0)
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
  merkle_init (&c->root.merkle);
  share = align_down (spec->memory / (2 * spec->threads), MERKLE_LEAF);
  c->window = min_u64 (max_u64 (share, MERKLE_LEAF), (uint64_t)WINDOW_LEAVES * MERKLE_LEAF);
  if (compare_plan_open (&c->plan, &c->spec, c->window, err) == -1
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
  compare_plan_close (&c->plan);
  compare_result_release (&c->findings.result);
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

void
compare_take (struct compare *c, struct compare_result *out)
{
  struct compare_result *r = &c->findings.result;

  findings_sort (&c->findings);
  r->segments = c->spec.imp->segments;
  r->bytes_read = atomic_load (&c->bytes_read);
  r->have_root = c->spec.whole;
  merkle_root (&c->root.merkle, r->root);
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
