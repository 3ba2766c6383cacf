/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * commands: the table of commands, and of every option a command takes, wherever its row
 * stands: the library's list (qimport_option_info), or the few rows that only this program
 * knows.  The parser, the help and the check of the manual all walk option_at.
 */
#ifndef QIMPORT_CLI_COMMANDS_H
#define QIMPORT_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

struct arguments;

struct command {
  const char *name;
  const char *words;   /* "URL TARGET" */
  const char *summary; /* a line of qimport help */
  const char *details; /* paragraphs of qimport help COMMAND, lines of at most 78 columns */
  unsigned bit;        /* among the rows of this program */
  unsigned library;    /* QIMPORT_FOR_*: among the library's */
  size_t least, most;  /* words behind it */
  int (*run) (const struct arguments *a);
};

/* NULL behind the last. */
const struct command *command_at (size_t i);
const struct command *command_find (const char *name);

/* What this program does itself with an option. */
enum option_use {
  USE_LIBRARY, /* hands it to the library */
  USE_JOURNAL,
  USE_QUIET,
  USE_VERBOSE,
  USE_HELP,
  USE_VERSION,
  USE_JSON,
  USE_WATCH,
  USE_PROMETHEUS,
  USE_ALL,
  USE_JOBS,
  USE_PROGRESS,
  USE_OUTPUT,
  USE_LIST,
  USE_OLDER_THAN
};

struct option {
  const char *name;     /* "json", or NULL: it has a letter only */
  char letter;          /* 'q', or 0 */
  const char *argument; /* NULL: a switch */
  const char *help;
  const char *fallback; /* NULL: none */
  bool repeats;
  enum option_use use;
};

/* The I-th option that every command takes; false behind the last. */
bool global_option_at (size_t i, struct option *o);
/* The I-th of C's own, this program's first, then the library's. */
bool option_at (const struct command *c, size_t i, struct option *o);

/* The commands, a file each or two. */
int run_start (const struct arguments *a);
int run_resume (const struct arguments *a);
int run_ensure (const struct arguments *a);
int run_status (const struct arguments *a);
int run_audit (const struct arguments *a);
int run_receipt (const struct arguments *a);
int run_report (const struct arguments *a);
int run_log (const struct arguments *a);
int run_info (const struct arguments *a);
int run_map (const struct arguments *a);
int run_forget (const struct arguments *a);
int run_help (const struct arguments *a);

#endif
