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

struct arguments {
  const struct command *command; /* NULL: none was given */
  char **words;                  /* behind the command */
  size_t n_words;
  struct qimport_options *options; /* those of the library */
  const char *journal;             /* NULL: the default one */
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

#endif
