/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * supply: the world as requests see it: segments that are to be fetched, connections that bring
 * ranges, and the time.  Two of them: the journal with the sources (supply_real), and the
 * simulated network of the unit tests, which has a clock of its own.
 */
#ifndef QIMPORT_COPY_SUPPLY_H
#define QIMPORT_COPY_SUPPLY_H

#include "copy/facts.h"

struct supply_link {
  unsigned idle, busy; /* ranges that may be asked for now; in flight */
  int64_t round_trip_ms;
  double first_rate; /* bytes a millisecond of its first answer; 0: too fast to tell */
};

struct supply {
  void *ctx;
  /* As journal_claim. */
  int (*claim) (void *ctx, uint64_t from_ord, struct segment *out, size_t max, size_t *n,
                struct error *err);
  /* As source_get and source_shorten, of LAYER's source. */
  int (*get) (void *ctx, unsigned layer, struct host_range range, source_sink sink,
              void *sink_ctx, struct error *err);
  void (*shorten) (void *ctx, unsigned layer, const void *sink_ctx, uint64_t len);
  struct supply_link (*look) (void *ctx, unsigned layer);
  int64_t (*now_ms) (void *ctx);
};

struct supply_real {
  struct supply supply;
  const struct copy_facts *facts;
  struct journal_reader *reader;
};

int supply_open (struct supply_real *s, const struct copy_facts *f, struct error *err);
void supply_close (struct supply_real *s);

#endif
