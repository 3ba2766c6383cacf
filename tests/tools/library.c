/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * library: what a program with threads does to libqimport, for tests/flow/library.sh.  It prints
 * nothing, so that what is printed was printed by the library.
 *
 *     library side-by-side URL DIR N    N threads, one journal, DIR/0.img and on
 *     library cancel URL TARGET         a thread cancels while another steps; the exit status is
 *                                       the import's, or 90 where it took over two seconds
 *     library misuse                    calls that must fail, and say why
 */
#include <pthread.h>
#include <qimport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16, TOO_LATE = 90, WRONG = 91 };

struct task {
  struct qimport_journal *j;
  const char *url;
  char target[4096];
  pthread_t thread;
  struct qimport *q;
  int status;
};

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *
import (void *ctx)
{
  struct task *t = ctx;
  struct qimport_error err = { .status = QIMPORT_INTERNAL };
  struct qimport_options *o = qimport_options_new ();

  if (qimport_options_set (o, "retry-time", "0", &err) == 0
      && qimport_start (&t->q, t->j, t->url, t->target, o, &err) == 0
      && qimport_run (t->q, NULL, NULL, 100, &err) == 0)
    err.status = QIMPORT_DONE;
  t->status = (int)err.status;
  qimport_close (t->q);
  qimport_options_free (o);
  return NULL;
}

static int
side_by_side (struct qimport_journal *j, const char *url, const char *dir, int n)
{
  static struct task task[MOST];
  int i, first = 0;

  for (i = 0; i < n && i < MOST; i++) {
    task[i].j = j;
    task[i].url = url;
    snprintf (task[i].target, sizeof task[i].target, "%s/%d.img", dir, i);
    if (pthread_create (&task[i].thread, NULL, import, &task[i]) != 0)
      return WRONG;
  }
  for (i = 0; i < n && i < MOST; i++) {
    pthread_join (task[i].thread, NULL);
    first = first != 0 ? first : task[i].status;
  }
  return first;
}

static double cancelled_at;

/* Something must be on the disk first. */
static void *
cancel_later (void *ctx)
{
  const struct timespec pause = { 0, 20 * 1000 * 1000 };
  struct qimport *q = ctx;
  struct qimport_progress p;

  do {
    nanosleep (&pause, NULL);
    qimport_progress_get (q, &p);
  } while (p.guest_committed == 0);
  cancelled_at = now ();
  qimport_cancel (q);
  return NULL;
}

static int
cancel (struct qimport_journal *j, const char *url, const char *target)
{
  struct qimport_options *o = qimport_options_new ();
  struct qimport_error err, again;
  struct qimport *q;
  pthread_t thread;
  int rc, late;

  if (qimport_options_set (o, "limit-rate", "2M", &err) == -1
      || qimport_start (&q, j, url, target, o, &err) == -1
      || pthread_create (&thread, NULL, cancel_later, q) != 0)
    return WRONG;
  rc = qimport_run (q, NULL, NULL, 100, &err);
  pthread_join (thread, NULL);
  late = now () - cancelled_at > 2.0;
  if (rc != -1 || qimport_step (q, 100, &again) != -1 || again.status != err.status)
    return WRONG;
  qimport_close (q);
  qimport_options_free (o);
  return late ? TOO_LATE : (int)err.status;
}

static int
misuse (struct qimport_journal *j)
{
  struct qimport_options *o = qimport_options_new ();
  struct qimport_error err = { .status = QIMPORT_DONE };
  char *json = (char *)"";

  if (qimport_options_set (o, "memory", "nonsense", &err) != -1 || err.status != QIMPORT_USAGE
      || qimport_options_set (o, "no-such-option", NULL, NULL) != -1)
    return WRONG;
  if (qimport_status_json (j, "no-such-import", &json, &err) != -1 || json != NULL
      || err.status != QIMPORT_JOURNAL || strcmp (err.code, "no-such-import") != 0)
    return WRONG;
  if (qimport_info_json ("/no/such/image", NULL, &json, &err) != -1 || json != NULL
      || err.status != QIMPORT_SOURCE || err.message[0] == '\0')
    return WRONG;
  qimport_free (NULL);
  qimport_close (NULL);
  qimport_options_free (NULL);
  qimport_journal_close (NULL);
  qimport_options_free (o);
  return 0;
}

int
main (int argc, char **argv)
{
  struct qimport_journal *j = NULL;
  int status = WRONG;

  if (qimport_journal_open (&j, NULL, 0, NULL) == -1)
    return WRONG;
  if (argc == 5 && strcmp (argv[1], "side-by-side") == 0)
    status = side_by_side (j, argv[2], argv[3], atoi (argv[4]));
  else if (argc == 4 && strcmp (argv[1], "cancel") == 0)
    status = cancel (j, argv[2], argv[3]);
  else if (argc == 2 && strcmp (argv[1], "misuse") == 0)
    status = misuse (j);
  qimport_journal_close (j);
  return status;
}
