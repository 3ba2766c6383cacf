/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_check: see stream_check.h.  All that goes by is checked, not samples of it: the bytes
 * are here anyway, and a pipe can be fed from anywhere.
 */
#include "forward/stream_check.h"

#include <inttypes.h>

#include "verify/committed.h"

int
stream_check_committed (struct stream *s, const struct segment *seg, const uint8_t *bytes,
                        struct error *err)
{
  struct committed c;
  int rc;

  if (seg->hash_len == 0) /* nothing of it is committed, or it is not of the sample */
    return 0;
  committed_init (&c, s->reader, s->spec.imp, s->spec.image->formats);
  rc = committed_compare (&c, seg, bytes, err);
  committed_release (&c);
  if (rc != 1)
    return rc;
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the bytes at host offset %" PRIu64 " are not those that the import began "
               "with; give the same image, or begin anew with `qimport resume --restart %.8s`",
               stream_url (s), seg->need.at.v, s->spec.imp->id);
}
