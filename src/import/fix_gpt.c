/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fix_gpt: --fix-gpt: what changes of the disk is in the journal before the target is (J3: a
 * crash in the middle does all of it again), and stays there, so that an audit tells ours from
 * theirs.
 */
#include "import/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "target/amend.h"
#include "target/gpt.h"

int
import_recall_amends (struct qimport *q, bool finished, struct error *err)
{
  OWN_MEM void *stored = NULL;
  size_t len;
  int rc = journal_amends (q->journal, q->imp.no, &stored, &len, err);

  if (rc != 0)
    return rc == -1 ? -1 : 0;
  return target_set_amends (q->target, stored, len, finished, err);
}

static void
tell_left (struct qimport *q, const struct gpt_move *m)
{
  import_event (q, "gpt", m->why);
  if (m->amiss)
    import_warn (q, "%s: --fix-gpt changes nothing: %s", q->imp.target, m->why);
  else
    import_note (q, "--fix-gpt changes nothing: %s", m->why);
}

static void
tell_moved (struct qimport *q, const struct gpt_move *m)
{
  char words[256];

  snprintf (words, sizeof words,
            "the backup was moved from sector %" PRIu64 " to %" PRIu64
            ", its entries to %" PRIu64 "; sectors 0 and 1 name it (of %u bytes each)",
            m->from, m->to, m->backup_at / m->sector, m->sector);
  import_event (q, "gpt", words);
  import_note (q, "GPT: %s", words);
}

static int
move_gpt (struct qimport *q, const struct gpt_move *m, struct error *err)
{
  struct held_piece amends = { JOURNAL_AMENDS, m->amends, m->amends_len };

#ifdef SEEDED_BUG_GPT_UNRECORDED
  if (target_gpt_move (q->target, m, err) == -1)
    return -1;
#endif
  if (journal_hold_back (q->journal, q->imp.no, &amends, 1, err) == -1
      || target_gpt_move (q->target, m, err) == -1)
    return -1;
  tell_moved (q, m);
  return 0;
}

int
import_fix_gpt (struct qimport *q, struct error *err)
{
  struct gpt_move m;
  int rc;

  if (!q->options->fix_gpt)
    return 0;
  rc = target_gpt_plan (q->target, &m, err);
  if (rc == 0)
    rc = move_gpt (q, &m, err);
  else if (rc == 1)
    tell_left (q, &m);
  gpt_move_release (&m);
  return rc == -1 ? -1 : 0;
}
