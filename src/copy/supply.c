/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * supply: the real one; see supply.h.
 */
#include "copy/supply.h"

#include "base/clock.h"

static int
claim (void *ctx, uint64_t from_ord, struct segment *out, size_t max, size_t *n,
       struct error *err)
{
  struct supply_real *s = ctx;
  const struct journal_import *imp = &s->facts->imp;
  uint64_t hashed_to = imp->hash_image ? imp->now.image_hashed_to : INT64_MAX;

  return journal_claim (s->reader, from_ord, hashed_to, out, max, n, err);
}

static int
get (void *ctx, unsigned layer, struct host_range range, source_sink sink, void *sink_ctx,
     struct error *err)
{
  struct supply_real *s = ctx;

  return source_get (s->facts->spec.sources[layer], range, sink, sink_ctx, err);
}

static void
shorten (void *ctx, unsigned layer, const void *sink_ctx, uint64_t len)
{
  struct supply_real *s = ctx;

  source_shorten (s->facts->spec.sources[layer], sink_ctx, len);
}

static struct supply_link
look (void *ctx, unsigned layer)
{
  struct supply_real *s = ctx;
  const struct source *source = s->facts->spec.sources[layer];

  return (struct supply_link){ source_idle (source), source_busy (source),
                               source_round_trip_ms (source), source_first_rate (source) };
}

static int64_t
now_ms (void *ctx)
{
  (void)ctx;
  return monotonic_ms ();
}

int
supply_open (struct supply_real *s, const struct copy_facts *f, struct error *err)
{
  s->supply = (struct supply){ s, claim, get, shorten, look, now_ms };
  s->facts = f;
  return journal_reader_open (&s->reader, journal_path (f->spec.journal), f->imp.no, err);
}

void
supply_close (struct supply_real *s)
{
  journal_reader_close (s->reader);
  s->reader = NULL;
}
