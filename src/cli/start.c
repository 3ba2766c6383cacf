/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * start: qimport start and qimport ensure, of one import or (-f) of a list of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/jobs.h"
#include "cli/output.h"

/* The jobs of a list file.  Their words point into TEXT. */
struct list {
  char *text;
  struct job *jobs;
  size_t n;
};

static void
list_release (struct list *l)
{
  size_t i;

  for (i = 0; i < l->n; i++)
    qimport_options_free (l->jobs[i].options);
  free (l->text);
  free (l->jobs);
}

/* All of F, NUL-terminated; NULL with errno. */
static char *
read_all (FILE *f)
{
  char *text = NULL;
  size_t size = 0;

  if (getdelim (&text, &size, '\0', f) == -1) {
    free (text);
    return ferror (f) ? NULL : strdup ("");
  }
  return text;
}

static char *
read_list (const char *path)
{
  FILE *f = strcmp (path, "-") == 0 ? stdin : fopen (path, "re");
  char *text = f == NULL ? NULL : read_all (f);
  int errnum = errno;

  if (f != NULL && f != stdin)
    fclose (f);
  if (text == NULL)
    message ("%s: the list cannot be read; name another file with -f, or mend this: %s", path,
             strerror (errnum));
  return text;
}

/* Where the options of a line begin, cut off before them; NULL: it has none. */
static char *
cut_options (char *line)
{
  char *at;

  for (at = line; (at = strstr (at, "--")) != NULL; at += 2)
    if (at > line && (at[-1] == ' ' || at[-1] == '\t')) {
      at[-1] = '\0';
      return at;
    }
  return NULL;
}

/* URL TARGET: a URL has no blanks in it, a target may. */
static int
split_words (char *line, struct job *job)
{
  size_t url = strcspn (line, " \t");
  char *target = line + url, *end = line + strlen (line);

  while (end > line && strchr (" \t\r", end[-1]) != NULL)
    *--end = '\0';
  if (target >= end)
    return -1;
  *target++ = '\0';
  target += strspn (target, " \t");
  job->url = line;
  job->target = target;
  return *target == '\0' ? -1 : 0;
}

static int
split_line (const struct arguments *a, char *line, size_t number, struct job *job)
{
  char *options, why[1024];

  line[strcspn (line, "\r")] = '\0';
  options = cut_options (line);
  if (split_words (line, job) == -1)
    return usage_error (a->command->name, "%s line %zu: want URL TARGET [--option ...]",
                        a->list, number);
  if (options == NULL)
    return 0;
  job->options = arguments_and (a, options, why, sizeof why);
  return job->options != NULL
             ? 0
             : usage_error (a->command->name, "%s line %zu: %s", a->list, number, why);
}

static int
parse_list (const struct arguments *a, struct list *l, enum job_verb verb)
{
  char *save = l->text, *line;
  size_t number = 0;
  int status = 0;

  while (status == 0 && (line = strsep (&save, "\n")) != NULL) {
    struct job *jobs;

    number++;
    line += strspn (line, " \t\r");
    if (line[0] == '\0' || line[0] == '#')
      continue;
    jobs = reallocarray (l->jobs, l->n + 1, sizeof *jobs);
    if (jobs == NULL)
      return out_of_memory ();
    l->jobs = jobs;
    jobs[l->n] = (struct job){ .verb = verb };
    status = split_line (a, line, number, &jobs[l->n++]);
  }
  return status;
}

static int
run_list (const struct arguments *a, enum job_verb verb)
{
  struct list l = { .text = NULL };
  int status;

  if (a->n_words > 0)
    return usage_error (a->command->name, "-f and URL TARGET exclude each other");
  l.text = read_list (a->list);
  status = l.text == NULL ? QIMPORT_USAGE : parse_list (a, &l, verb);
  if (status == 0)
    status = jobs_run (a, l.jobs, l.n);
  list_release (&l);
  return status;
}

static int
run_verb (const struct arguments *a, enum job_verb verb)
{
  struct job job = { .verb = verb };

  if (a->list != NULL)
    return run_list (a, verb);
  if (a->n_words < 2)
    return usage_error (a->command->name, "needs URL TARGET");
  job.url = a->words[0];
  job.target = a->words[1];
  if (a->n_words > 2)
    job.targets = (const char *const *)a->words + 1;
  return jobs_run (a, &job, 1);
}

int
run_start (const struct arguments *a)
{
  return run_verb (a, JOB_START);
}

int
run_ensure (const struct arguments *a)
{
  return run_verb (a, JOB_ENSURE);
}
