/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * reading: the commands that read one document out of the journal and print it.
 */
#ifndef QIMPORT_CLI_READING_H
#define QIMPORT_CLI_READING_H

#include <qimport.h>

#include "cli/arguments.h"

typedef int (*journal_document) (struct qimport_journal *j, const char *id, char **text,
                                 struct qimport_error *err);

/* *J, read only.  0, or an exit status, told. */
int open_reader (struct qimport_journal **j, const struct arguments *a);
/* *TEXT is what READ tells of ID, for qimport_free.  0, or an exit status, told. */
int read_document (const struct arguments *a, const char *id, journal_document read,
                   char **text);

#endif
