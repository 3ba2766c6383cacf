/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * phase: the table of phases, and the machine that runs it (phase.h).  Knows what may come
 * after what; what is done in a phase is in its own file.
 */
#include "import/phase.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MAY(name) (UINT32_C (1) << PHASE_##name)

static const struct {
  const char *word;
  int (*work) (struct qimport *q, int timeout_ms, struct error *err);
  uint32_t next;
} phases[] = {
#define X(name, word, next) { #word, phase_##word, next },
  PHASES (X)
#undef X
};

const char *
phase_word (enum phase p)
{
  return phases[p].word;
}

bool
phase_may_follow (enum phase p, enum phase next)
{
  return p == next || (phases[p].next >> next & 1) != 0;
}

int
phase_over (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)q, (void)timeout_ms, (void)err;
  return PHASE_OVER;
}

int
phase_step (struct qimport *q, enum phase p, int timeout_ms, struct error *err)
{
  int next = phases[p].work (q, timeout_ms, err);

  assert (next >= -1 && next < N_PHASES);
  assert (next == -1 || phase_may_follow (p, (enum phase)next));
  return next;
}
