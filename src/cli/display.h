/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * display: the progress of one or more imports, shown as --progress says.  A bar is drawn on
 * standard error and wiped before anything else is written there; JSON goes to standard output.
 * Threads: all functions but new and close may be called by several.
 */
#ifndef QIMPORT_CLI_DISPLAY_H
#define QIMPORT_CLI_DISPLAY_H

#include <qimport.h>
#include <stddef.h>

#include "cli/arguments.h"

struct display;

/* For up to SLOTS imports at a time.  NULL when memory is out. */
struct display *display_new (const struct arguments *a, size_t slots);
void display_close (struct display *d);
/* How often display_show wants to be called. */
int display_interval_ms (const struct display *d);

/* The import in SLOT is called NAME from now on. */
void display_begin (struct display *d, size_t slot, const char *name);
/* How far it is. */
void display_show (struct display *d, size_t slot, struct qimport *q);
/* It is over: its line goes, and a last JSON object comes. */
void display_end (struct display *d, size_t slot, struct qimport *q);

/* A message, above the bar. */
void display_message (struct display *d, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

#endif
