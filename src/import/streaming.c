/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * streaming: the phase in which an image is read forward.  When its record in the journal, its
 * target and its copy are made is said here; how it is read is forward/'s.
 */
#include "import/import.h"

static int
may_go_on (void *ctx, struct error *err)
{
  struct qimport *q = ctx;

  if (atomic_load (&q->stops.asked))
    return fail (err, ERR_INTERRUPTED, "interrupted");
  return import_check_failed (q, err);
}

static int
begin (void *ctx, uint64_t virtual_size, struct error *err)
{
  struct qimport *q = ctx;

  if (q->standing.in_journal && virtual_size != q->imp.virtual_size)
    return import_other_disk (q, virtual_size, q->imp.virtual_size, err);
  q->imp.virtual_size = virtual_size;
  q->imp.layers = 1;
  return q->standing.in_journal ? 0 : import_begin (q, err);
}

/* Until the first byte is handed to the copy, an image that is refused leaves nothing behind.
 */
static int
open_copy (void *ctx, struct copy **out, struct error *err)
{
  struct qimport *q = ctx;
  bool fresh = q->standing.fresh;

  if (import_open_copy (q, err) == -1)
    return -1;
  q->standing.fresh = fresh;
  *out = q->copy;
  return 0;
}

static void
warn (void *ctx, const char *words)
{
  import_warn (ctx, "%s", words);
}

static const struct forward_verbs verbs = {
  .check = may_go_on,
  .begin = begin,
  .open_copy = open_copy,
  .warn = warn,
};

static int
open_stream (struct qimport *q, struct error *err)
{
  const struct qimport_options *o = q->options;
  const char *want = o->checksum != NULL ? o->checksum : q->imp.expect_sha256;
  struct forward_spec spec = {
    .image = &q->image,
    .journal = q->journal,
    .imp = &q->imp,
    .begun = q->standing.in_journal,
    .restart = o->restart,
    .keep_holes = o->unallocated_keep,
    .hashes = o->digest || want[0] != '\0',
    .checksum = want,
    .snapshot = o->snapshot,
    .max_size = o->max_size,
    .memory = o->memory,
    .threads = import_workers (q),
    .no_keep = o->no_keep,
    .spool_dir = o->spool_dir,
    .seal_stop = &q->stops.check,
    .verbs = &verbs,
    .ctx = q,
  };

  return forward_open (&q->forward, &spec, err);
}

int
phase_stream (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc;

  (void)timeout_ms;
  if (q->forward.stream == NULL && open_stream (q, err) == -1)
    return -1;
  rc = forward_step (&q->forward, err);
  if (q->forward.result.handed_on)
    q->standing.fresh = false;
  return rc == -1 ? -1 : rc == 1 ? PHASE_STREAM : PHASE_COPY;
}
