/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * witness: what makes a row that was altered later stand out.  Every event carries a SHA-256
 * over the event before it and itself, and the event "completed" states the digests of all that
 * never changes afterwards.  Whoever can write the journal can write all of this anew; then the
 * head of the chain is no longer the one in the receipt.
 */
#ifndef QIMPORT_JOURNAL_WITNESS_H
#define QIMPORT_JOURNAL_WITNESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "journal/sql.h"

/* The head of the chain; zeros before the first event. */
int witness_last (struct sql *s, int64_t no, uint8_t chain[DIGEST_SIZE], struct error *err);
/* CHAIN, with one more event. */
void witness_link (uint8_t chain[DIGEST_SIZE], const char *at, const char *kind,
                   const char *detail);

/* The digest over all segments and their digests; of a stream, whose map has no digest that can
 * be made from rows again, over its extents and zero runs too.  STOP may be NULL. */
int witness_segments (struct sql *s, int64_t no, const atomic_bool *stop,
                      uint8_t out[DIGEST_SIZE], struct error *err);

/* What "completed" says. */
int witness_statement (struct sql *s, int64_t no, const uint8_t segments[DIGEST_SIZE],
                       char *out, size_t size, struct error *err);

#endif
