/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * notify: what systemd, or whoever else listens at $NOTIFY_SOCKET, is told: see sd_notify(3).
 * Without that variable nothing is.
 */
#ifndef QIMPORT_CLI_NOTIFY_H
#define QIMPORT_CLI_NOTIFY_H

#include <stdbool.h>

/* Is there anybody to tell? */
bool notify_listens (void);

/* NAME=VALUE lines, as they are.  That nobody took them is no failure. */
void notify (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

/* STATUS, of text that may have anything in it. */
void notify_status (const char *text);

/* That it works on, to be told every second or so: the watchdog is fed if there is one, and
 * with EXTEND what systemd waits for may take longer. */
void notify_alive (bool extend);

#endif
