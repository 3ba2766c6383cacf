/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * jobs: imports done to their end, one after the other or several side by side, with one
 * display, and what is said of each when it is over.
 */
#ifndef QIMPORT_CLI_JOBS_H
#define QIMPORT_CLI_JOBS_H

#include <qimport.h>
#include <stddef.h>

#include "cli/arguments.h"
#include "cli/display.h"

enum job_verb { JOB_START, JOB_ENSURE, JOB_RESUME };

struct job {
  enum job_verb verb;
  const char *url;                 /* of START, ENSURE */
  const char *target;              /* or RESUME: the id */
  const char *const *targets;      /* of START: all of them, then NULL; NULL: TARGET alone */
  struct qimport_options *options; /* its own; NULL: those of the arguments */
  int status;                      /* set by jobs_run */
};

/* The exit status: the first that is not 0. */
int jobs_run (const struct arguments *a, struct job *jobs, size_t n);

/* Step Q to its end, shown in SLOT of D; signals cancel it.  0, or -1 with *ERR. */
int drive (struct display *d, size_t slot, const struct arguments *a, struct qimport *q,
           struct qimport_error *err);

#endif
