/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * table: imports as a table for people, and one import in full.
 */
#ifndef QIMPORT_CLI_TABLE_H
#define QIMPORT_CLI_TABLE_H

#include <qimport.h>
#include <stdint.h>

#include "cli/imports.h"

/* As they were SINCE_MS ago, where that is known: then the table tells a rate. */
struct earlier {
  const struct import_list *list;
  int64_t since_ms;
};

/* 0, or an exit status, told.  EARLIER may be NULL. */
int print_table (const struct import_list *l, const struct earlier *earlier);
void print_details (struct qimport_journal *j, const struct import_row *row);

#endif
