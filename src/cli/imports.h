/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * imports: the imports of a journal as a list, and the short form of their ids.
 */
#ifndef QIMPORT_CLI_IMPORTS_H
#define QIMPORT_CLI_IMPORTS_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What qimport_list told of an import, a row of the table of imports, each text as long as it
 * is: a thousand of them are looked at in a moment, where as many qimport_info would be ten
 * megabytes to touch first. */
struct import_row {
  const char *id, *state, *url, *target, *target_kind, *error_message, *holder;
  uint64_t virtual_size, cluster_size, guest_total, guest_committed, image_total, fetched;
  uint64_t segments_total, segments_committed, attempts;
  uint64_t work_total,
      work_done; /* bytes to be fetched and decoded; zeros where there is no else */
  int64_t started_at, updated_at, finished_at;
  char texts[];
};

struct import_list {
  struct import_row **v; /* its own */
  size_t n;
};

/* Adds to L what qimport_list tells for ID (NULL: all).  0, or an exit status, told. */
int import_list_add (struct import_list *l, struct qimport_journal *j, const char *id);
/* Only those that KEEP says stay. */
void import_list_filter (struct import_list *l,
                         bool (*keep) (void *ctx, const struct import_row *row), void *ctx);
void import_list_release (struct import_list *l);

enum { SHORT_ID_SIZE = 37 };

/* The shortest prefix of ID, of 8 or more characters, that no other import of J has. */
char *short_id (char out[SHORT_ID_SIZE], struct qimport_journal *j, const char *id);

/* " --journal 'PATH'" where the user named one, else "": an advice with it can be pasted into a
 * shell. */
enum { JOURNAL_OPTION_SIZE = 4200 };
void journal_option (char *out, size_t size, const char *path);

/* Somebody works on it now. */
bool import_is_running (const struct import_row *i);
/* It was left unfinished, resume will go on, and nobody works on it. */
bool import_is_interrupted (const struct import_row *i);

#endif
