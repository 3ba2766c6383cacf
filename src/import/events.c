/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * events: what happens to an import is told to the journal; what happened before it was there,
 * as soon as it is.
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first answers come before there is an import; their events are not lost for it. */
static void
keep_early (struct qimport *q, const char *kind, const char *detail)
{
  struct early_event *e = &q->early[q->n_early];

  if (q->n_early == EARLY_MAX)
    return;
  snprintf (e->kind, sizeof e->kind, "%s", kind);
  e->detail = strdup (detail);
  q->n_early += e->detail != NULL;
}

int
import_tell_early (struct qimport *q, struct error *err)
{
  unsigned i;
  int rc = 0;

  for (i = 0; i < q->n_early; i++) {
    if (rc == 0 && q->in_journal)
      rc = journal_event (q->journal, q->imp.no, q->early[i].kind, q->early[i].detail, err);
    free (q->early[i].detail);
  }
  q->n_early = 0;
  return rc;
}

void
import_event (struct qimport *q, const char *kind, const char *detail)
{
  struct error ignored;

  /* The event is for people; that it cannot be kept must not end the import. */
  if (q->in_journal)
    journal_event (q->journal, q->imp.no, kind, detail, &ignored);
  else
    keep_early (q, kind, detail);
}
