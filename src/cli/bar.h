/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bar: an import's progress as one line of text, and that of several together.  Pure: no
 * terminal, no clock.
 */
#ifndef QIMPORT_CLI_BAR_H
#define QIMPORT_CLI_BAR_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>

enum { LINE_SIZE = 2048 };

struct bar_look {
  size_t columns;
  bool utf8;
  bool colour;
};

/* For a terminal: at most LOOK->columns wide. */
char *bar_line (char out[LINE_SIZE], const struct bar_look *look, const char *name,
                const struct qimport_progress *p);
/* For a log. */
char *plain_line (char out[LINE_SIZE], const char *name, const struct qimport_progress *p);
/* "3 of 10 done, 4 at work  48.1 MiB/s", for a terminal. */
char *total_line (char out[LINE_SIZE], const struct bar_look *look, size_t done, size_t all,
                  size_t at_work, double rate);

#endif
