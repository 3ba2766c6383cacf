/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * list-imports: every import of the journal, a line each.  It opens the journal for reading only,
 * so that it needs no right to write and no import ever waits for it.
 *
 *     cc list-imports.c $(pkg-config --cflags --libs libqimport) -o list-imports
 *     ./list-imports [JOURNAL]
 */
#include <inttypes.h>
#include <qimport.h>
#include <stdio.h>
#include <string.h>

static int
print (void *ctx, const struct qimport_info *info)
{
  (void)ctx;
  return printf ("%s %s %" PRIu64 "/%" PRIu64 " %s\n", info->id, info->state,
                 info->guest_committed, info->guest_total, info->target)
         < 0;
}

int
main (int argc, char **argv)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int rc;

  rc = qimport_journal_open (&j, argc > 1 ? argv[1] : NULL, QIMPORT_READ_ONLY, &err);
  if (rc == -1 && strcmp (err.code, "no-journal") == 0)
    return 0; /* nothing was ever imported */
  if (rc == 0)
    rc = qimport_list (j, NULL, print, NULL, &err);
  qimport_journal_close (j);
  if (rc == 0)
    return 0;
  fprintf (stderr, "%s\n", err.message);
  return (int)err.status;
}
