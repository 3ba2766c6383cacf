/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * output: results go to standard output, and every write is checked; messages go to standard
 * error, one line each, "qimport: " first.  Nothing leaves here with a control character in it
 * that we did not put there.
 */
#ifndef QIMPORT_CLI_OUTPUT_H
#define QIMPORT_CLI_OUTPUT_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>

/* One line to standard error, in one write. */
void message (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
/* ERR as such a line; returns the exit status it stands for, never 0. */
int complain (const struct qimport_error *err);
int exit_status (const struct qimport_error *err);
/* The same of a command that leaves nothing to resume. */
int complain_again (const struct qimport_error *err);
/* WHY without the library's own advice to resume, which names neither import nor journal. */
char *without_advice (char *out, size_t size, const char *why);
/* "COMMAND: words; see: qimport help COMMAND"; COMMAND may be NULL.  Returns QIMPORT_USAGE. */
int usage_error (const char *command, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* Memory is out: says so and returns QIMPORT_INTERNAL. */
int out_of_memory (void);

/* To standard output.  A failure is kept for out_finish. */
void out (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
/* As it is: a document of the library's. */
void out_text (const char *text);
/* What was printed so far is on its way; false once a write has failed. */
bool out_flush (void);
/* The exit status: STATUS, or QIMPORT_INTERNAL with a message where STATUS was 0 but standard
 * output could not be written.  A reader that went away is no failure. */
int out_finish (int status);

/* IN without control characters (each byte as \xNN), cut to SIZE.  Returns OUT. */
char *clean_text (char *out, size_t size, const char *in);

#endif
