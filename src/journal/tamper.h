/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tamper: what makes a row that was altered later stand out: the chain of the events
 * (event.h), and the event "completed", which states the digests of all that never changes
 * afterwards.  Whoever can write the journal can write all of this anew; then the head of the
 * chain is no longer the one in the receipt.
 */
#ifndef QIMPORT_JOURNAL_TAMPER_H
#define QIMPORT_JOURNAL_TAMPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "journal/sql.h"

/* The digest over all segments and their digests; of a stream, whose map has no digest that can
 * be made from rows again, over its extents and zero runs too.  STOP may be NULL. */
int tamper_digest_segments (struct sql *s, int64_t no, const atomic_bool *stop,
                            uint8_t out[DIGEST_SIZE], struct error *err);

/* What "completed" says. */
int tamper_statement (struct sql *s, int64_t no, const uint8_t segments[DIGEST_SIZE], char *out,
                      size_t size, struct error *err);

#endif
