/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import-with-progress: imports URL onto TARGET and tells how far it is.  Run it again after it
 * was killed, and it goes on; run it when all is done, and there is nothing to do.
 *
 *     cc import-with-progress.c $(pkg-config --cflags --libs libqimport) -o import-with-progress
 *     ./import-with-progress https://example.org/disk.qcow2 disk.img
 */
#include <inttypes.h>
#include <qimport.h>
#include <stdio.h>

/* Returning anything but 0 would stop the import, resumable. */
static int
show (void *ctx, const struct qimport_progress *p)
{
  (void)ctx;
  if (p->guest_total == 0)
    printf ("%s: reading the map\n", p->state);
  else
    printf ("%s: %" PRIu64 " of %" PRIu64 " bytes are safe, %.0f bytes a second\n", p->state,
            p->guest_committed, p->guest_total, p->rate);
  return fflush (stdout);
}

static int
import (struct qimport_journal *j, const char *url, const char *target,
        struct qimport_error *err)
{
  struct qimport_options *o = qimport_options_new ();
  struct qimport *q = NULL;
  int rc;

  /* Without "retry-time" it would wait 300 seconds for a network that is gone. */
  rc = o == NULL ? -1 : qimport_options_set (o, "retry-time", "600", err);
  if (rc == 0)
    rc = qimport_ensure (&q, j, url, target, o, err);
  if (rc == 0)
    rc = qimport_run (q, show, NULL, 500, err);
  qimport_close (q);
  qimport_options_free (o);
  return rc;
}

int
main (int argc, char **argv)
{
  struct qimport_error err = { QIMPORT_INTERNAL, "out-of-memory", "out of memory" };
  struct qimport_journal *j = NULL;
  int rc;

  if (argc != 3) {
    fprintf (stderr, "usage: %s URL TARGET\n", argv[0]);
    return QIMPORT_USAGE;
  }
  rc = qimport_journal_open (&j, NULL, 0, &err);
  if (rc == 0)
    rc = import (j, argv[1], argv[2], &err);
  qimport_journal_close (j);
  if (rc == 0)
    return 0;
  fprintf (stderr, "%s: %s\n", err.code, err.message);
  return (int)err.status;
}
