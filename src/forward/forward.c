/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * forward: see forward.h.  Begins and ends the stream; what is done with its bytes is in
 * stream.c.
 */
#include "forward/forward.h"

#include <string.h>

#include "forward/stream.h"

int
forward_open (struct forward *f, const struct forward_spec *spec, struct error *err)
{
  return stream_open (&f->stream, spec, &f->result, err);
}

int
forward_step (struct forward *f, struct error *err)
{
  int rc = stream_step (f->stream, err);

  if (rc == 0)
    forward_close (f);
  return rc;
}

void
forward_close (struct forward *f)
{
  stream_close (f->stream);
  f->stream = NULL;
}

bool
forward_found (const struct forward *f, uint64_t *guest, uint64_t *data)
{
  const struct stream *s = f->stream;
  struct stream_totals t;

  if (s == NULL || s->copy == NULL || s->spec.imp->sealed)
    return false;
  t = stream_totals (s);
  *guest = t.guest;
  *data = t.guest - t.zeros;
  return true;
}

bool
forward_left (const struct forward *f, uint64_t *bytes)
{
  const struct stream *s = f->stream;
  bool all;

  if (s == NULL || s->copy == NULL || s->wrapped != NULL)
    return false;
  *bytes = stream_needs (s, &all);
  *bytes -= min_u64 (*bytes, s->supply.pos);
  return all;
}

uint64_t
forward_taken (const struct forward *f)
{
  const struct stream *s = f->stream;

  return s == NULL || s->wrapped == NULL ? 0 : wrapped_taken (s->wrapped);
}

char *
forward_kept_path (const struct journal_import *imp, const char *spool_dir,
                   const struct journal *j)
{
  return kept_path (imp->target, strcmp (imp->target_kind, "file") == 0, spool_dir,
                    journal_path (j));
}
