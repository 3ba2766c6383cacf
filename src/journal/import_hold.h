/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_hold: an import is taken and given back.  The lock is taken within the transaction
 * that reads and changes the row, and dropped after the one that clears it: what the row says
 * of who works on it is so whenever somebody has the lock.
 */
#ifndef QIMPORT_JOURNAL_IMPORT_BEGIN_HOLD_H
#define QIMPORT_JOURNAL_IMPORT_BEGIN_HOLD_H

#include "journal/transaction.h"

/* In the transaction: IMP has just been read; OURS: its lock was taken for this. */
typedef int (*hold_act) (struct journal *j, struct journal_import *imp, bool ours,
                         struct error *err);

/* ACT on import IMP->no, which is held afterwards if it returned 0.  The journal is locked. */
int hold_take (struct journal *j, struct journal_import *imp, enum durability d, hold_act act,
               struct error *err);

/* ERR_IMPORT_HELD, naming who has it as the row does. */
int hold_refuse (const struct journal_import *imp, struct error *err);

#endif
