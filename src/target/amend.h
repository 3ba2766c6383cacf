/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * amend: what of a disk is not as the image has it, because it was changed on purpose when it
 * was finished (--fix-gpt).  Whoever reads the target is told what the image has there, where
 * it holds what it should: so audits, samples and the first block's name stay those of the
 * image.
 *
 * As the journal keeps it, for one sector or several: 8 bytes where, 4 how many (big endian),
 * what the image has, what the target has.
 */
#ifndef QIMPORT_TARGET_AMEND_H
#define QIMPORT_TARGET_AMEND_H

#include "target/target.h"

/* STORED is copied.  FINISHED: all of it is done, so that a target which holds what the image
 * has there is not as it should be.  ERR_JOURNAL_CORRUPT. */
int target_set_amends (struct target *t, const void *stored, size_t len, bool finished,
                       struct error *err);

#endif
