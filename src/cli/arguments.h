/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * arguments: what the user typed, checked.  Options may stand anywhere; "--" ends them.
 */
#ifndef QIMPORT_CLI_ARGUMENTS_H
#define QIMPORT_CLI_ARGUMENTS_H

#include <qimport.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/commands.h"

enum progress_style {
  PROGRESS_AUTO,
  PROGRESS_BAR,
  PROGRESS_PLAIN,
  PROGRESS_JSON,
  PROGRESS_NONE
};

enum { JOBS_MAX = 64 };

/* An option of the library as it was given; VALUE is ours, NULL of a switch. */
struct given {
  const char *name;
  char *value;
};

struct arguments {
  const struct command *command; /* NULL: none was given */
  char **words;                  /* behind the command */
  size_t n_words;
  struct qimport_options *options; /* those of the library */
  struct given *given;             /* the same, in their order */
  size_t n_given;
  const char *journal; /* NULL: the default one */
  bool quiet, verbose, help, version;
  bool json, watch, prometheus, all;
  size_t jobs;
  enum progress_style progress;
  const char *output;     /* -o */
  const char *list;       /* -f */
  double older_than_days; /* negative: not given */
};

/* ARGV must outlive *A.  0, or the exit status, its message told. */
int arguments_parse (struct arguments *a, int argc, char **argv);
void arguments_release (struct arguments *a);

/* The options of the library that were given, and behind them those in TEXT, "--name value
 * --name=value", which is taken apart.  NULL: WHY says what is wrong with it. */
struct qimport_options *arguments_and (const struct arguments *a, char *text, char *why,
                                       size_t size);

#endif
