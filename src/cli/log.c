/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * log: qimport log.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/human.h"
#include "cli/output.h"
#include "cli/reading.h"

static int
print_event (void *unused, const struct qimport_event *e)
{
  char at[HUMAN_SIZE], kind[4 * sizeof e->kind], detail[4 * sizeof e->detail];

  (void)unused;
  clean_text (kind, sizeof kind, e->kind);
  clean_text (detail, sizeof detail, e->detail);
  if (detail[0] == '\0' || strcmp (kind, detail) == 0)
    out ("%s  %s\n", human_time (at, e->at), kind);
  else
    out ("%s  %-14s  %s\n", human_time (at, e->at), kind, detail);
  return 0;
}

static int
print_events (const struct arguments *a)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int status = open_reader (&j, a);

  if (status == 0 && qimport_log (j, a->words[0], print_event, NULL, &err) == -1)
    status = complain (&err);
  qimport_journal_close (j);
  return status;
}

int
run_log (const struct arguments *a)
{
  char *json = NULL;
  int status;

  if (!a->json)
    return print_events (a);
  status = read_document (a, a->words[0], qimport_log_json, &json);
  if (status == 0)
    out_text (json);
  qimport_free (json);
  return status;
}
