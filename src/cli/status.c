/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * status: qimport status, for people, for programs (--json) and for Prometheus; once, or again
 * every second (--watch).
 */
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/human.h"
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
      first = print_object (j, a->n_words == 0 ? NULL : l->v[0]->id, "");
    out ("%s", first == 0 ? "\n" : "");
    return first;
  }
  out ("{\"imports\":[");
  for (i = 0; i < l->n; i++) {
    status = print_object (j, l->v[i]->id, i == 0 ? "" : ",");
    first = first != 0 ? first : status;
  }
  out ("]}\n");
  return first;
}

/* EARLIER: NULL, or for the table. */
static int
print_list (struct qimport_journal *j, const struct arguments *a, const struct import_list *l,
            const struct earlier *earlier)
{
  if (a->json)
    return l->n == 0 && a->n_words == 1 ? 0 : print_json (j, a, l);
  if (a->prometheus) {
    print_metrics (l);
    return 0;
  }
  if (l->n == 1 && a->n_words == 1) {
    print_details (j, l->v[0]);
    return 0;
  }
  if (l->n == 0 && a->n_words == 0 && !a->quiet)
    message ("no imports in %s", qimport_journal_path (j));
  return print_table (l, earlier);
}

static int
print_once (struct qimport_journal *j, const struct arguments *a)
{
  struct import_list l = { .v = NULL };
  int status, printed;

  if (a->json && a->n_words == 0) /* one document, whatever is in the list */
    return print_json (j, a, &l);
  status = read_list (a, j, &l);
  printed = print_list (j, a, &l, NULL);
  import_list_release (&l);
  return status != 0 ? status : printed;
}

/* The lists of the last seconds, in turn. */
enum { PAST = 4 };
struct watch {
  struct import_list past[PAST];
  int64_t at[PAST];
  size_t n; /* so far */
  bool redraws;
};

static struct earlier
oldest (const struct watch *w)
{
  static const struct import_list none;
  size_t i = w->n < PAST ? 0 : w->n % PAST;

  if (w->n == 0)
    return (struct earlier){ &none, 0 };
  return (struct earlier){ &w->past[i], now_monotonic_ms () - w->at[i] };
}

static void
remember (struct watch *w, struct import_list *l)
{
  size_t i = w->n++ % PAST;

  import_list_release (&w->past[i]);
  w->past[i] = *l;
  w->at[i] = now_monotonic_ms ();
}

static bool
any_running (const struct import_list *l)
{
  size_t i;

  for (i = 0; i < l->n; i++)
    if (import_is_running (l->v[i]))
      return true;
  return false;
}

/* Of those that nobody works on the first *CTX go. */
static bool
stays (void *ctx, const struct import_row *row)
{
  size_t *excess = ctx;

  if (*excess == 0 || import_is_running (row))
    return true;
  (*excess)--;
  return false;
}

/* So many as the terminal has lines, with one for the heads and one for the cursor: the oldest
 * go. */
static void
keep_what_fits (struct import_list *l)
{
  size_t lines = 24, excess;
  struct winsize w;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 3)
    lines = w.ws_row;
  excess = l->n > lines - 2 ? l->n - (lines - 2) : 0;
  import_list_filter (l, stays, &excess);
}

/* *RUNNING: a process works on one of them. */
static int
watch_once (struct watch *w, struct qimport_journal *j, const struct arguments *a,
            bool *running)
{
  struct earlier earlier = oldest (w);
  struct import_list l = { .v = NULL };
  int status = read_list (a, j, &l), printed;

  *running = any_running (&l);
  if (w->redraws)
    keep_what_fits (&l);
  if (w->redraws)
    out ("\033[H\033[J");
  printed = print_list (j, a, &l, &earlier);
  remember (w, &l);
  return status != 0 ? status : printed;
}

/* Ctrl-C ends it, as it ends any reader. */
static int
watch (struct qimport_journal *j, const struct arguments *a)
{
  struct watch w = { .redraws = isatty (STDOUT_FILENO) && !a->json && !a->prometheus };
  bool running = true;
  int status = 0;
  size_t i;

  while (running && status == 0) {
    status = watch_once (&w, j, a, &running);
    if (!out_flush ())
      break;
    if (running && status == 0)
      sleep (1);
    if (running && !w.redraws && !a->json && !a->prometheus)
      out ("\n");
  }
  for (i = 0; i < PAST; i++)
    import_list_release (&w.past[i]);
  return status;
}

/* A machine that never imported anything has no journal, and no imports. */
static int
print_none (const struct arguments *a)
{
  if (a->json)
    out ("{\"imports\":[]}\n");
  else if (!a->prometheus && !a->quiet)
    message ("no imports yet: there is no journal%s%s", a->journal == NULL ? "" : " ",
             a->journal == NULL ? "" : a->journal);
  return 0;
}

int
run_status (const struct arguments *a)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int status;

  if (a->json && a->prometheus)
    return usage_error (a->command->name, "--json and --prometheus exclude each other");
  if (qimport_journal_open (&j, a->journal, QIMPORT_READ_ONLY, &err) == -1) {
    if (strcmp (err.code, "no-journal") == 0 && a->n_words == 0)
      return print_none (a);
    return complain (&err);
  }
  status = a->watch ? watch (j, a) : print_once (j, a);
  qimport_journal_close (j);
  return status;
}
