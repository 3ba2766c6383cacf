/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * options_table: the table of options as its own files see it: options_table.c has and sets it,
 * options_lines.c writes and compares.
 */
#ifndef QIMPORT_IMPORT_OPTIONS_TABLE_H
#define QIMPORT_IMPORT_OPTIONS_TABLE_H

#include "import/options.h"
#include "qimport.h"

enum option_type {
  TYPE_SWITCH,
  TYPE_COUNT,    /* uint64_t, a whole number */
  TYPE_SIZE,     /* uint64_t, with suffix */
  TYPE_SECONDS,  /* uint64_t, whole seconds; given with s m h d or without */
  TYPE_MS,       /* uint64_t milliseconds, given in the same way, with a fraction */
  TYPE_TEXT,     /* char *, no secret */
  TYPE_URL,      /* char *, may have secrets */
  TYPE_FILE,     /* char *, made absolute, so that a resume elsewhere finds it */
  TYPE_CHECKSUM, /* char *, as checksum_text () writes it */
  TYPE_SHA256,   /* the same, of 64 hexadecimal digits: another name of the row before it */
  TYPE_LIST,     /* struct option_list, of URLs */
  TYPE_WORD,     /* uint64_t: which of the words of the argument, from 0 */
  TYPE_CHOICE /* bool: true for the second word of the argument; with LEAST 1 for the first */
};

/* What an option is to an import that goes on, or to one that is asked for again. */
enum option_hold {
  HOLDS_DEFINES,  /* it says what the import is: the same as at its begin, or not given */
  HOLDS_LAYERS,   /* the same; the journal has it as the layers of the import */
  HOLDS_PROMISES, /* the same until a --restart, which voids it: what was true of the target */
  HOLDS_CHANGES,  /* remembered, unless it is given anew */
  HOLDS_ONE_RUN   /* not remembered */
};

struct option_row {
  struct qimport_option_info info;
  enum option_type type;
  size_t field;
  enum option_hold hold;
  uint64_t least, most; /* of numbers */
};

/* The I-th row, or NULL behind the last. */
const struct option_row *option_row_at (int i);
/* -1: there is none of that name. */
int option_row_find (const char *name);

/* The row whose value it sets: another than I where it is a second name. */
int option_kept_as (int i);

uint64_t option_voids (int i);

static inline void *
option_field (const struct qimport_options *o, const struct option_row *row)
{
  return (char *)o + row->field;
}

#endif
