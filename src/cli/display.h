/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * display: the progress of one or more imports, shown as --progress says.  A bar is drawn on
 * standard error and wiped before anything else is written there; JSON goes to standard output.
 * Bars and plain lines come from a thread of its own, so that they live on while a step of an
 * import waits: for a server that does not answer, or for a disk that syncs.
 * Threads: all functions but new and close may be called by several.
 */
#ifndef QIMPORT_CLI_DISPLAY_H
#define QIMPORT_CLI_DISPLAY_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/arguments.h"

struct display;

/* What is shown of Q: its guest bytes are those that have to be fetched and decoded. */
void progress_of (struct qimport *q, struct qimport_progress *p);

/* For N imports, up to SLOTS at a time; systemd may wait for their end (notify.h).  NULL when
 * memory is out. */
struct display *display_new (const struct arguments *a, size_t slots, size_t n, bool waits);
void display_close (struct display *d);

/* Q is in SLOT from now on, and called NAME, until display_end. */
void display_begin (struct display *d, size_t slot, const char *name, struct qimport *q);
/* Between its steps, by the thread that makes them: JSON, which only that thread can have. */
void display_show (struct display *d, size_t slot);
/* It is over: its line goes, and a last JSON object comes. */
void display_end (struct display *d, size_t slot);
/* One of the N is done with, whether it came to a slot or not. */
void display_count (struct display *d);

/* A message, above the bar. */
void display_message (struct display *d, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

#endif
