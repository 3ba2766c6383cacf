/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * resume-everything: goes on with every import of the journal that was interrupted and that
 * nobody works on, one after the other.  What a machine would run after it booted.
 *
 *     cc resume-everything.c $(pkg-config --cflags --libs libqimport) -o resume-everything
 *     ./resume-everything
 */
#include <qimport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ids {
  char (*id)[37];
  size_t n;
};

/* Failed ones need somebody to look at them first. */
static int
collect (void *ctx, const struct qimport_info *info)
{
  struct ids *ids = ctx;
  char (*more)[37];

  if (info->holder[0] != '\0' || strcmp (info->state, "complete") == 0
      || strcmp (info->state, "failed") == 0)
    return 0;
  more = realloc (ids->id, (ids->n + 1) * sizeof *more);
  if (more == NULL)
    return -1;
  ids->id = more;
  memcpy (ids->id[ids->n++], info->id, sizeof *more);
  return 0;
}

static int
resume (struct qimport_journal *j, const char *id)
{
  struct qimport_error err;
  struct qimport *q = NULL;
  int rc = qimport_resume (&q, j, id, NULL, &err);

  if (rc == 0)
    rc = qimport_run (q, NULL, NULL, 1000, &err);
  qimport_close (q);
  if (rc == 0)
    printf ("%s: complete\n", id);
  else
    printf ("%s: %s: %s\n", id, err.code, err.message);
  return rc == 0 ? 0 : (int)err.status;
}

int
main (void)
{
  struct qimport_journal *j = NULL;
  struct ids ids = { NULL, 0 };
  struct qimport_error err;
  int first = 0, status;
  size_t i;

  if (qimport_journal_open (&j, NULL, 0, &err) == -1
      || qimport_list (j, NULL, collect, &ids, &err) == -1) {
    fprintf (stderr, "%s\n", err.message);
    first = (int)err.status;
  }
  for (i = 0; first != QIMPORT_JOURNAL && i < ids.n; i++) {
    status = resume (j, ids.id[i]);
    first = first != 0 ? first : status;
  }
  free (ids.id);
  qimport_journal_close (j);
  return first;
}
