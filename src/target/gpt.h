/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gpt: --fix-gpt: a disk with a GUID partition table on a target that is larger, so that its
 * backup is to lie at another place: at the end of the target.  Computed before anything is
 * written, for the journal keeps it first; and the same again after a crash.
 *
 *     target_gpt_plan;  record amends;  target_gpt_move;  target_finish
 */
#ifndef QIMPORT_TARGET_GPT_H
#define QIMPORT_TARGET_GPT_H

#include "target/target.h"

enum { GPT_WHY = 200 };

struct gpt_move {
  uint32_t sector;   /* bytes */
  uint64_t from, to; /* in which sector the backup's header was, and will be */
  uint64_t backup_at;
  uint8_t *backup; /* its entries and its header, to the end of the target */
  size_t backup_len;
  uint8_t *amends; /* what of the disk that changes, for target_set_amends */
  size_t amends_len;
  bool amiss;        /* of what is left as it is: not because it is as it should be */
  char why[GPT_WHY]; /* it is, in words */
};

/* T is written but for its finish.  1: nothing is to be changed, M says why. */
int target_gpt_plan (struct target *t, struct gpt_move *m, struct error *err);
void gpt_move_release (struct gpt_move *m);

/* The backup first, durably; what belongs at the start with target_finish.  Of a target that is
 * finished nothing is written (J9). */
int target_gpt_move (struct target *t, const struct gpt_move *m, struct error *err);

#endif
