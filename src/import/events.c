/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * events: what happens to an import is told to the journal; what happened before it was there,
 * as soon as it is.
 */
#include "import/several.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first answers come before there is an import; their events are not lost for it. */
static void
keep_early (struct qimport *q, const char *kind, const char *detail)
{
  struct early_event *e = &q->early.event[q->early.n];

  if (q->early.n == EARLY_MAX)
    return;
  snprintf (e->kind, sizeof e->kind, "%s", kind);
  e->detail = strdup (detail);
  q->early.n += e->detail != NULL;
}

int
import_tell_early (struct qimport *q, struct error *err)
{
  unsigned i;
  int rc = 0;

  for (i = 0; i < q->early.n; i++) {
    if (rc == 0 && q->standing.in_journal)
      rc = journal_event (q->journal, q->imp.no, q->early.event[i].kind,
                          q->early.event[i].detail, err);
    free (q->early.event[i].detail);
  }
  q->early.n = 0;
  return rc;
}

void
import_event (struct qimport *q, const char *kind, const char *detail)
{
  struct error ignored;

  if (import_is_carrier (q)) {
    several_event (q, kind, detail);
    return;
  }
  /* The event is for people; that it cannot be kept must not end the import. */
  if (q->standing.in_journal)
    journal_event (q->journal, q->imp.no, kind, detail, &ignored);
  else
    keep_early (q, kind, detail);
}
