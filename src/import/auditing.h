/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * auditing: the inside of an audit, shared by auditing.c (the order of it, and the verdict),
 * repair.c (what differs is fetched again) and findings.c (the document).
 */
#ifndef QIMPORT_IMPORT_AUDITING_H
#define QIMPORT_IMPORT_AUDITING_H

#include "import/import.h"
#include "verify/compare.h"
#include "verify/repair.h"

#define VERDICTS(X)                                                 \
  X (NONE, "none")       /* not done yet, or not to the end */      \
  X (UNKNOWN, "unknown") /* there are no digests to compare with */ \
  X (SAME, "same")                                                  \
  X (DIFFERS, "differs")                                            \
  X (REPAIRED, "repaired") /* differed, was fetched again, and is the same now */

enum verdict {
#define X(name, word) VERDICT_##name,
  VERDICTS (X)
#undef X
};

struct audit {
  struct journal_import imp; /* as it was when the audit began */
  bool held;                 /* in the journal, by us */
  bool whole;                /* complete: all of the guest; else what is committed */
  struct compare *compare;
  struct compare_result result; /* of the last comparison */

  struct checker checker; /* of the journal, beside the comparison */
  atomic_bool stop_check;

  enum verdict verdict;
  struct repair *repair;
  struct repair_result repaired;
  uint64_t found_bytes; /* that differed before the repair */
};

#endif
