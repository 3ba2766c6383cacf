/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * imports: the imports of a journal as a list, and the short form of their ids.
 */
#ifndef QIMPORT_CLI_IMPORTS_H
#define QIMPORT_CLI_IMPORTS_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>

struct import_list {
  struct qimport_info *v;
  size_t n;
};

/* Adds to L what qimport_list tells for ID (NULL: all).  0, or an exit status, told. */
int import_list_add (struct import_list *l, struct qimport_journal *j, const char *id);
void import_list_release (struct import_list *l);

enum { SHORT_ID_SIZE = 37 };

/* The shortest prefix of ID, of 8 or more characters, that no other import of J has. */
char *short_id (char out[SHORT_ID_SIZE], struct qimport_journal *j, const char *id);

/* " --journal 'PATH'" where the user named one, else "": an advice with it can be pasted into a
 * shell. */
enum { JOURNAL_OPTION_SIZE = 4200 };
void journal_option (char *out, size_t size, const char *path);

/* Somebody works on it now. */
bool import_is_running (const struct qimport_info *i);
/* It was left unfinished, resume will go on, and nobody works on it. */
bool import_is_interrupted (const struct qimport_info *i);

#endif
