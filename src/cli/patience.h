/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * patience: says that a call of the library still waits, where that call has no progress to
 * show: a server that does not answer is tried for --retry-time, which is minutes.
 */
#ifndef QIMPORT_CLI_PATIENCE_H
#define QIMPORT_CLI_PATIENCE_H

#include <pthread.h>
#include <stdbool.h>

struct patience {
  const char *what; /* waited for, a URL without secrets; NULL: nobody asks */
  pthread_mutex_t lock;
  pthread_cond_t over;
  bool is_over, has_thread;
  pthread_t thread;
};

/* After some seconds one line says that WHAT is still waited for.  patience_end always follows.
 */
void patience_begin (struct patience *p, const char *what);
void patience_end (struct patience *p);

#endif
