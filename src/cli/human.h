/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * human: numbers and times as people read them, and how many columns of a terminal a text
 * takes.
 */
#ifndef QIMPORT_CLI_HUMAN_H
#define QIMPORT_CLI_HUMAN_H

#include <stddef.h>
#include <stdint.h>

enum { HUMAN_SIZE = 32 };

/* "1.5 GiB" */
char *human_size (char out[HUMAN_SIZE], uint64_t bytes);
/* "1.5G", five columns at most */
char *human_short_size (char out[HUMAN_SIZE], uint64_t bytes);
/* "0:12", "1:02:03", "3d 04:05"; "-:--" when negative */
char *human_duration (char out[HUMAN_SIZE], double seconds);
/* "2026-11-22 20:03:38", local */
char *human_time (char out[HUMAN_SIZE], int64_t unix_ms);
/* "20:03" of the last day, else "11-22", else "2025" */
char *human_short_time (char out[HUMAN_SIZE], int64_t unix_ms, int64_t now_ms);
/* Rounded down, so that 100.0 means all. */
double percent_of (uint64_t part, uint64_t whole);

int64_t now_wall_ms (void);
int64_t now_monotonic_ms (void);

/* Columns of TEXT in the current locale. */
size_t columns_of (const char *text);
/* Cut TEXT to at most COLUMNS, with DOTS at its end where something was cut. */
void cut_columns (char *text, size_t columns, const char *dots);
/* The same at its beginning, with "...". */
void cut_front (char *text, size_t columns);
/* The terminal speaks UTF-8. */
int speaks_utf8 (void);

#endif
