/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * machine: an import goes from phase to phase until it is over: done, or failed, and then left
 * as its journal should find it.  What is done in a phase is not known here.
 */
#include "import/several.h"

#include "base/clock.h"

/* What ends it from outside: a signal, or the time that was given. */
static int
check_stop (struct qimport *q, struct error *err)
{
  if (atomic_load (&q->stops.asked))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  if (q->stops.deadline > 0 && monotonic_ms () >= q->stops.deadline)
    return fail (err, ERR_MAX_TIME, "--max-time %llu is over",
                 (unsigned long long)q->options->max_time_s);
  return 0;
}

/* ERR is the reason that is told. */
static void
find_reason (struct qimport *q, struct error *err)
{
  struct error stopped;

  /* Whatever a stop made fail on its way, it was the stop. */
  if (atomic_load (&q->stops.asked) && error_status (err->code) == QIMPORT_INTERRUPTED
      && check_stop (q, &stopped) == -1)
    *err = stopped;
  /* nor is it the network's fault when the journal's check has failed */
  else if (error_status (err->code) == QIMPORT_INTERRUPTED
           && import_check_failed (q, &stopped) == -1 && stopped.code != ERR_INTERRUPTED)
    *err = stopped;
  import_prefer_check (q, err);
  if (error_status (err->code) == QIMPORT_IMAGE && q->image.n_layers == 1
      && q->image.sources[0] != NULL)
    image_name_error (&q->image, 0, err);
}

void
import_end (struct qimport *q, const struct error *why)
{
  import_leave (q, why);
  q->machine.failure = *why;
  q->machine.over = true;
  q->machine.result = -1;
}

int
import_step (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc;

  if (q->machine.over) {
    *err = q->machine.failure;
    return q->machine.result;
  }
  rc = check_stop (q, err);
  if (rc == 0)
    rc = phase_step (q, q->machine.phase, timeout_ms, err);
  if (rc == -1) {
    find_reason (q, err);
    import_end (q, err);
  } else {
    q->machine.phase = (enum phase)rc;
    q->machine.over = rc == PHASE_OVER;
    q->machine.result = 0;
  }
  import_update_progress (q);
  return rc == -1 ? -1 : rc != PHASE_OVER;
}
