/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report_page: the inside of the report for people, shared by report_page.c (the page),
 * report_map.c (the picture of the disk) and report_rate.c (the picture of its throughput).
 * Everything that comes from the journal goes through html_text.
 */
#ifndef QIMPORT_API_REPORT_PAGE_H
#define QIMPORT_API_REPORT_PAGE_H

#include <stdio.h>

#include "journal/journal.h"

/* TEXT with what means something to HTML made harmless, in and outside of attributes. */
void html_text (FILE *out, const char *text);

/* The disk in at most 64 by 32 cells, however large it is. */
int report_map (FILE *out, struct journal *j, const struct journal_import *imp,
                struct error *err);

/* Bytes a second over the time that it was worked on; pauses are cut short and marked. */
int report_rate (FILE *out, struct journal *j, const struct journal_import *imp,
                 struct error *err);

#endif
