/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stop: SIGINT, SIGTERM and SIGHUP end the imports of this process tidily.  The signals are
 * blocked everywhere and taken by one thread, so that nothing here has to be async-signal-safe
 * and no system call of an import is interrupted.
 *
 * A second SIGINT ends the process at once with 130.  SIGHUP is left alone where it was ignored
 * at the start (nohup).
 */
#ifndef QIMPORT_CLI_STOP_H
#define QIMPORT_CLI_STOP_H

#include <qimport.h>
#include <stdbool.h>

/* Before any other thread and before the first stop_watch.  0, or an exit status, told. */
int stop_begin (void);
/* Q is cancelled when a signal comes; at once if one came already. */
void stop_watch (struct qimport *q);
void stop_unwatch (struct qimport *q);
bool stop_requested (void);

/* So many lines of the terminal are ours, the cursor behind the last: what a hurried end has to
 * wipe. */
void stop_terminal_lines (int n);

#endif
