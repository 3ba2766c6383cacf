/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stop: see stop.h.  Signals come to a process, so that this state is per process.
 */
#include "cli/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/human.h"
#include "cli/output.h"

/* `timeout -s INT` and some terminals send the same SIGINT twice. */
enum { SAME_KEYPRESS_MS = 100 };

static struct {
  pthread_mutex_t lock;
  struct qimport *watched[JOBS_MAX];
  sigset_t signals;
  atomic_bool requested;
  atomic_int terminal_lines;
} stop = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
cancel_all (void)
{
  size_t i;

  pthread_mutex_lock (&stop.lock);
  atomic_store (&stop.requested, true);
  for (i = 0; i < JOBS_MAX; i++)
    if (stop.watched[i] != NULL)
      qimport_cancel (stop.watched[i]);
  pthread_mutex_unlock (&stop.lock);
}

/* J1 and J3 make this safe at any instant. */
static void
exit_at_once (void)
{
  int lines = atomic_load (&stop.terminal_lines);
  char wipe[32];
  int n = 0;

  if (lines == 1)
    n = snprintf (wipe, sizeof wipe, "\r\033[K");
  else if (lines > 1)
    n = snprintf (wipe, sizeof wipe, "\r\033[%dA\033[J", lines - 1);
  if (n > 0 && write (STDERR_FILENO, wipe, (size_t)n) == -1) {
    /* the terminal is gone, and so are we */
  }
  _exit (128 + SIGINT);
}

static void *
wait_for_signals (void *unused)
{
  int64_t first_ms = 0;
  int sig;

  (void)unused;
  while (sigwait (&stop.signals, &sig) == 0) {
    if (stop_requested () && sig == SIGINT && now_monotonic_ms () - first_ms > SAME_KEYPRESS_MS)
      exit_at_once ();
    if (!stop_requested ())
      first_ms = now_monotonic_ms ();
    cancel_all ();
  }
  return NULL;
}

int
stop_begin (void)
{
  struct sigaction hangup;
  pthread_t thread;
  int errnum;

  sigemptyset (&stop.signals);
  sigaddset (&stop.signals, SIGINT);
  sigaddset (&stop.signals, SIGTERM);
  if (sigaction (SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    sigaddset (&stop.signals, SIGHUP);
  pthread_sigmask (SIG_BLOCK, &stop.signals, NULL);
  errnum = pthread_create (&thread, NULL, wait_for_signals, NULL);
  if (errnum != 0) {
    message ("cannot start a thread: %s", strerror (errnum));
    return QIMPORT_INTERNAL;
  }
  pthread_detach (thread);
  return 0;
}

void
stop_watch (struct qimport *q)
{
  size_t i;

  pthread_mutex_lock (&stop.lock);
  for (i = 0; i < JOBS_MAX; i++)
    if (stop.watched[i] == NULL) {
      stop.watched[i] = q;
      break;
    }
  if (atomic_load (&stop.requested))
    qimport_cancel (q);
  pthread_mutex_unlock (&stop.lock);
}

void
stop_unwatch (struct qimport *q)
{
  size_t i;

  pthread_mutex_lock (&stop.lock);
  for (i = 0; i < JOBS_MAX; i++)
    if (stop.watched[i] == q)
      stop.watched[i] = NULL;
  pthread_mutex_unlock (&stop.lock);
}

bool
stop_requested (void)
{
  return atomic_load (&stop.requested);
}

void
stop_terminal_lines (int n)
{
  atomic_store (&stop.terminal_lines, n);
}
