/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * forget: qimport forget.
 */
#include <stdint.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/imports.h"
#include "cli/output.h"

static int
forget (const struct arguments *a, struct qimport_journal *j, const char *id)
{
  struct qimport_error err;

  if (qimport_forget (j, id, &err) == -1)
    return complain (&err);
  if (a->verbose)
    message ("forgot %s", id);
  return 0;
}

/* Only what is complete: anything else could still be resumed. */
static int
forget_old (const struct arguments *a, struct qimport_journal *j)
{
  const int64_t limit = now_wall_ms () - (int64_t)(a->older_than_days * 86400e3);
  struct import_list l = { .v = NULL };
  int first = import_list_add (&l, j, NULL), status;
  size_t i;

  for (i = 0; i < l.n; i++) {
    const struct import_row *info = l.v[i];

    if (strcmp (info->state, "complete") != 0 || import_is_running (info)
        || info->finished_at > limit)
      continue;
    status = forget (a, j, info->id);
    first = first != 0 ? first : status;
  }
  import_list_release (&l);
  return first;
}

int
run_forget (const struct arguments *a)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int first = 0, status;
  size_t i;

  if ((a->n_words > 0) == (a->older_than_days >= 0))
    return usage_error (a->command->name, "needs ID... or --older-than DAYS");
  if (qimport_journal_open (&j, a->journal, 0, &err) == -1)
    return complain (&err);
  for (i = 0; i < a->n_words; i++) {
    status = forget (a, j, a->words[i]);
    first = first != 0 ? first : status;
  }
  if (a->older_than_days >= 0)
    first = forget_old (a, j);
  qimport_journal_close (j);
  return first;
}
