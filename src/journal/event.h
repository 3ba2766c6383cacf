/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * event: what happened to an import, appended and never changed.  Every event carries a SHA-256
 * over the one before it and itself, the chain (doc/digests.md).
 */
#ifndef QIMPORT_JOURNAL_EVENT_H
#define QIMPORT_JOURNAL_EVENT_H

#include "journal/transaction.h"

/* Append one, in a transaction; TEXT is made clean. */
int event_add (struct sql *s, int64_t no, const char *kind, const char *text,
               struct error *err);
/* CHAIN, with one more event. */
void event_link (uint8_t chain[DIGEST_SIZE], const char *at, const char *kind,
                 const char *detail);

#endif
