/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * state: the words for the states of an import (journal.h), and which of them is shown: what
 * its process wrote last, unless nobody works on it any more.
 */
#ifndef QIMPORT_JOURNAL_STATE_H
#define QIMPORT_JOURNAL_STATE_H

#include "journal/sql.h"

/* On connection S statements may ask for shown_state (state, no, holder_pid, holder_start,
 * holder_boot). */
int state_register (struct sql *s, struct error *err);

#endif
