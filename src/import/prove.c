/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * prove: in the middle of an import its source serves an image with other validators: a
 * redirect leads to another mirror, which numbers its files by itself.  Where a checksum of the
 * whole image decides in the end, or the user said so, it may prove to be the same as at a
 * resume: by its tables and samples of what is committed; and the import goes on.
 */
#include "import/import.h"

enum { PROOFS_MAX = 8 };

bool
import_may_prove (const struct qimport *q, const struct error *err)
{
  return err->code == ERR_SOURCE_CHANGED && q->doubt.proofs < PROOFS_MAX
         && (q->imp.expect_sha256[0] != '\0' || q->options->accept_new_validator);
}

int
phase_prove (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  q->doubt.proofs++;
  import_stop_copy (q);
  image_tell_mirrors (&q->image);
  import_close_image (q);
  if (journal_find (q->journal, q->imp.id, &q->imp, err) == -1
      || import_open_image (q, true, err) == -1
      || import_check_identity (q, q->image.validator_changed, err) == -1
      || import_record_sources (q, err) == -1)
    return -1;
  if (q->image.stream)
    return fail (err, ERR_INTERRUPTED, "%s: does not honour ranges any more; try again later",
                 source_url (q->image.sources[0]));
  return PHASE_TARGET;
}
