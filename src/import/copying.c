/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copying: the target is claimed and the copy runs, with an eye on the journal's check.
 */
#include "import/import.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_MS = 100, WRAPPED_COPY = 24 << 20 };

int
import_create_target (struct qimport *q, struct error *err)
{
  struct target_spec spec;
  int rc;

  if (q->target != NULL)
    return import_claim_target (q, err);
  import_target_spec (q, &spec);
  if (q->standing.fresh)
    rc = target_create (&q->target, &spec, err);
  else
    rc = target_reopen (&q->target, &spec, NULL, NULL, err);
  return rc == -1 ? -1 : import_claim_target (q, err);
}

/* What the largest clusters need in a stream, if there is as much; the rest is for what
 * unpacks. */
static uint64_t
copy_memory (const struct qimport *q)
{
  uint64_t all = q->options->memory;

  return q->image.wrapper == WRAPPER_NONE ? all
                                          : max_u64 (all / 4, min_u64 (all, WRAPPED_COPY));
}

unsigned
import_workers (const struct qimport *q)
{
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);

  if (q->options->workers > 0)
    return (unsigned)q->options->workers;
  return cpus > 0 ? (unsigned)cpus : 1;
}

void
import_copy_spec (const struct qimport *q, struct copy_spec *spec)
{
  *spec = (struct copy_spec){
    .journal = q->journal,
    .imp = &q->imp,
    .formats = q->image.formats,
    .extents = q->map.extents,
    .n_extents = q->map.n,
    .sources = q->image.stream ? NULL : q->image.sources,
    .connections = (unsigned)q->options->connections,
    .workers = import_workers (q),
    .memory = copy_memory (q),
    .commit_interval_ms = (int64_t)q->options->commit_interval_ms,
    .deadline_ms = q->stops.deadline,
    .stop = &q->stops.asked,
    .may_commit = &q->checker.passed,
    .kept = q->forward.result.kept,
    .check_over = &q->checker.done,
  };
}

int
import_open_copy (struct qimport *q, struct error *err)
{
  struct copy_spec spec;

  if (import_create_target (q, err) == -1)
    return -1;
  import_copy_spec (q, &spec);
  spec.target = q->target;
  if (copy_open (&q->copy, &spec, err) == -1)
    return -1;
  q->standing.fresh = false;
  return 0;
}

int
phase_target (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (import_open_copy (q, err) == -1)
    return -1;
  return PHASE_COPY;
}

int
import_check_failed (struct qimport *q, struct error *err)
{
  return checker_failed (&q->checker, err);
}

static bool
may_wait (const struct qimport *q)
{
  return !atomic_load (&q->stops.asked)
         && (q->stops.deadline == 0 || monotonic_ms () < q->stops.deadline);
}

void
import_prefer_check (struct qimport *q, struct error *err)
{
  int status = error_status (err->code);
  struct error why;

  if (status != QIMPORT_IMAGE && status != QIMPORT_SOURCE && status != QIMPORT_USAGE
      && status != QIMPORT_INTERNAL && err->code != ERR_TARGET_CHANGED)
    return;
  while (!checker_wait (&q->checker, LOOK_MS)) /* a stop wakes nobody */
    if (!may_wait (q))
      return;
  if (checker_join (&q->checker, &why) == -1 && why.code != ERR_INTERRUPTED)
    *err = why;
}

int
phase_copy (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc;

  if (import_check_failed (q, err) == -1)
    return -1;
  rc = copy_step (q->copy, timeout_ms, err);
  if (rc == 0) {
    timeline_mark (&q->machine.timeline, "last commit");
    return PHASE_FINISH;
  }
  if (rc == -1 && import_goes_forward (q, err))
    return PHASE_FORWARD;
  if (rc == -1)
    return import_may_prove (q, err) ? PHASE_PROVE : -1;
  return PHASE_COPY;
}
