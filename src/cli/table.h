/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * table: imports as a table for people, and one import in full.
 */
#ifndef QIMPORT_CLI_TABLE_H
#define QIMPORT_CLI_TABLE_H

#include <qimport.h>

#include "cli/imports.h"

/* 0, or an exit status, told. */
int print_table (const struct import_list *l);
void print_details (struct qimport_journal *j, const struct qimport_info *info);

#endif
