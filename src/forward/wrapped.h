/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wrapped: the bytes in a wrapped file, in order, as they come: from what an earlier run kept
 * of it, then from the source, unpacked by unwrap/.  What is fetched is kept, and hashed,
 * before it is unpacked: both are of the file at the URL.
 */
#ifndef QIMPORT_FORWARD_WRAPPED_H
#define QIMPORT_FORWARD_WRAPPED_H

#include "base/hash.h"
#include "source/source.h"
#include "target/kept.h"
#include "unwrap/unwrap.h"

struct wrapped_spec {
  struct source *source; /* probed, and not read yet */
  enum wrapper kind;
  struct unwrap_limits limits;
  uint64_t length;   /* of the file; UINT64_MAX: not known, and that it ended says little */
  uint64_t most;     /* bytes that may come out of it */
  struct kept *kept; /* NULL: nothing is kept; else the source honours ranges */
  struct hash *hash; /* NULL: not hashed */
  void (*lost) (void *ctx, const struct error *why); /* it cannot be kept, and goes on */
  void *ctx;
};

struct wrapped;

/* What SPEC points to must outlive it. */
int wrapped_open (struct wrapped **out, const struct wrapped_spec *spec, struct error *err);
void wrapped_close (struct wrapped *w);
OWNABLE (wrapped)

/* The next bytes, at most MAX.  1: nothing came for WAIT_MS; -1: wait.  *GOT 0 at the end, when
 * the file was whole.  ERR_SOURCE_ENDED: of a length that is not known, it ended too early. */
int wrapped_read (struct wrapped *w, void *buf, size_t max, int wait_ms, size_t *got,
                  struct error *err);

/* Bytes of the file that were unpacked so far. */
uint64_t wrapped_taken (const struct wrapped *w);
/* Of them those that an earlier run kept. */
uint64_t wrapped_recalled (const struct wrapped *w);

#endif
