/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * status: qimport status, for people, for programs (--json) and for Prometheus; once, or again
 * every second (--watch).
 */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/imports.h"
#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/reading.h"
#include "cli/table.h"

/* The imports that were named, or all. */
static int
read_list (const struct arguments *a, struct qimport_journal *j, struct import_list *l)
{
  int first = 0, status;
  size_t i;

  if (a->n_words == 0)
    return import_list_add (l, j, NULL);
  for (i = 0; i < a->n_words; i++) {
    status = import_list_add (l, j, a->words[i]);
    first = first != 0 ? first : status;
  }
  return first;
}

/* One object, without the newline behind it. */
static int
print_object (struct qimport_journal *j, const char *id, const char *before)
{
  struct qimport_error err;
  char *json;
  size_t n;

  if (qimport_status_json (j, id, &json, &err) == -1)
    return complain (&err);
  n = strlen (json);
  while (n > 0 && json[n - 1] == '\n')
    json[--n] = '\0';
  out ("%s%s", before, json);
  qimport_free (json);
  return 0;
}

static int
print_json (struct qimport_journal *j, const struct arguments *a, const struct import_list *l)
{
  int first = 0, status;
  size_t i;

  if (a->n_words <= 1) {
    if (l->n > 0 || a->n_words == 0)
      first = print_object (j, a->n_words == 0 ? NULL : l->v[0].id, "");
    out ("%s", first == 0 ? "\n" : "");
    return first;
  }
  out ("{\"imports\":[");
  for (i = 0; i < l->n; i++) {
    status = print_object (j, l->v[i].id, i == 0 ? "" : ",");
    first = first != 0 ? first : status;
  }
  out ("]}\n");
  return first;
}

static int
print_list (struct qimport_journal *j, const struct arguments *a, const struct import_list *l)
{
  if (a->json)
    return l->n == 0 && a->n_words == 1 ? 0 : print_json (j, a, l);
  if (a->prometheus) {
    print_metrics (l);
    return 0;
  }
  if (l->n == 1 && a->n_words == 1) {
    print_details (j, &l->v[0]);
    return 0;
  }
  if (l->n == 0 && a->n_words == 0 && !a->quiet)
    message ("no imports in %s", qimport_journal_path (j));
  return print_table (l);
}

/* *RUNNING: a process works on one of them. */
static int
print_once (struct qimport_journal *j, const struct arguments *a, bool *running)
{
  struct import_list l = { .v = NULL };
  int status = read_list (a, j, &l), printed;
  size_t i;

  *running = false;
  for (i = 0; i < l.n; i++)
    *running = *running || import_is_running (&l.v[i]);
  printed = print_list (j, a, &l);
  import_list_release (&l);
  return status != 0 ? status : printed;
}

/* Ctrl-C ends it, as it ends any reader. */
static int
watch (struct qimport_journal *j, const struct arguments *a)
{
  bool redraw = isatty (STDOUT_FILENO) && !a->json && !a->prometheus;
  bool running;
  int status;

  for (;;) {
    if (redraw)
      out ("\033[H\033[J");
    status = print_once (j, a, &running);
    if (status != 0 || !running || !out_flush ())
      return status;
    sleep (1);
    if (!redraw && !a->json && !a->prometheus)
      out ("\n");
  }
}

/* A machine that never imported anything has no journal, and no imports. */
static int
print_none (const struct arguments *a)
{
  if (a->json)
    out ("{\"imports\":[]}\n");
  else if (!a->prometheus && !a->quiet)
    message ("no imports yet");
  return 0;
}

int
run_status (const struct arguments *a)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  bool running;
  int status;

  if (a->json && a->prometheus)
    return usage_error (a->command->name, "--json and --prometheus exclude each other");
  if (qimport_journal_open (&j, a->journal, QIMPORT_READ_ONLY, &err) == -1) {
    if (strcmp (err.code, "no-journal") == 0 && a->n_words == 0)
      return print_none (a);
    return complain (&err);
  }
  status = a->watch ? watch (j, a) : print_once (j, a, &running);
  qimport_journal_close (j);
  return status;
}
