/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * patience: see patience.h.
 */
#include "cli/patience.h"

#include <errno.h>
#include <time.h>

#include "cli/output.h"

enum { PATIENCE_S = 5 };

static void *
wait_for_end (void *patience)
{
  struct patience *p = patience;
  struct timespec until;
  int rc = 0;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += PATIENCE_S;
  pthread_mutex_lock (&p->lock);
  while (!p->is_over && rc == 0)
    rc = pthread_cond_timedwait (&p->over, &p->lock, &until);
  if (!p->is_over && rc == ETIMEDOUT && p->what != NULL)
    message ("still waiting for %s; Ctrl-C ends it, --retry-time says how long it is tried",
             p->what);
  pthread_mutex_unlock (&p->lock);
  return NULL;
}

void
patience_begin (struct patience *p, const char *what)
{
  pthread_condattr_t monotonic;

  *p = (struct patience){ .what = what };
  pthread_mutex_init (&p->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&p->over, &monotonic);
  pthread_condattr_destroy (&monotonic);
  p->has_thread = pthread_create (&p->thread, NULL, wait_for_end, p) == 0;
}

void
patience_end (struct patience *p)
{
  pthread_mutex_lock (&p->lock);
  p->is_over = true;
  pthread_cond_signal (&p->over);
  pthread_mutex_unlock (&p->lock);
  if (p->has_thread)
    pthread_join (p->thread, NULL);
  pthread_cond_destroy (&p->over);
  pthread_mutex_destroy (&p->lock);
}
