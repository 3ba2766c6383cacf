/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * resume: qimport resume, of the imports named, of all, or of the only one there is.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/human.h"
#include "cli/imports.h"
#include "cli/jobs.h"
#include "cli/notify.h"
#include "cli/output.h"

static int
resume_named (const struct arguments *a)
{
  struct job *jobs = calloc (a->n_words, sizeof *jobs);
  size_t i;
  int status;

  if (jobs == NULL)
    return out_of_memory ();
  for (i = 0; i < a->n_words; i++)
    jobs[i] = (struct job){ .verb = JOB_RESUME, .target = a->words[i] };
  status = jobs_run (a, jobs, a->n_words);
  free (jobs);
  return status;
}

static bool
interrupted (void *ctx, const struct import_row *row)
{
  (void)ctx;
  return import_is_interrupted (row);
}

static int
read_interrupted (const struct arguments *a, struct import_list *l)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int status;

  if (qimport_journal_open (&j, a->journal, 0, &err) == -1)
    return complain (&err);
  status = import_list_add (l, j, NULL);
  qimport_journal_close (j);
  import_list_filter (l, interrupted, NULL);
  return status;
}

static int
resume_list (const struct arguments *a, const struct import_list *l)
{
  struct job *jobs = calloc (l->n, sizeof *jobs);
  size_t i;
  int status;

  if (jobs == NULL)
    return out_of_memory ();
  for (i = 0; i < l->n; i++)
    jobs[i] = (struct job){ .verb = JOB_RESUME, .target = l->v[i]->id };
  status = jobs_run (a, jobs, l->n);
  free (jobs);
  return status;
}

static int
name_them (const struct arguments *a, const struct import_list *l)
{
  char journal[JOURNAL_OPTION_SIZE];
  size_t i;

  journal_option (journal, sizeof journal, a->journal);
  message ("%zu imports were interrupted; say which, or --all; see: qimport help resume", l->n);
  for (i = 0; i < l->n; i++)
    message ("  qimport resume %.8s%s   # %s, %.1f%% of %s", l->v[i]->id, journal,
             l->v[i]->target, percent_of (l->v[i]->work_done, l->v[i]->work_total),
             l->v[i]->url);
  return QIMPORT_USAGE;
}

int
run_resume (const struct arguments *a)
{
  struct import_list l = { .v = NULL };
  int status;

  if (a->all && a->n_words > 0)
    return usage_error (a->command->name, "--all and ID exclude each other");
  if (a->n_words > 0)
    return resume_named (a);
  status = read_interrupted (a, &l);
  if (status != 0) {
  } else if (l.n == 0) {
    if (!a->all || a->verbose)
      message ("no import was interrupted; see: qimport status");
    status = a->all ? QIMPORT_DONE : QIMPORT_JOURNAL;
    if (status == QIMPORT_DONE)
      notify ("READY=1"); /* whoever waits for that takes an end without it as a failure */
  } else if (l.n > 1 && !a->all) {
    status = name_them (a, &l);
  } else {
    status = resume_list (a, &l);
  }
  import_list_release (&l);
  return status;
}
