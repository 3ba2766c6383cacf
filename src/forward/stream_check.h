/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_check: is a stream that is read again the one that the import began with?  A pipe has
 * no validators; what is committed of it has digests.
 */
#ifndef QIMPORT_FORWARD_STREAM_CHECK_H
#define QIMPORT_FORWARD_STREAM_CHECK_H

#include "forward/stream.h"

/* What is committed of SEG, whose needed bytes are at BYTES, must decode to what the journal
 * has the digest of.  ERR_SOURCE_CHANGED. */
int stream_check_committed (struct stream *s, const struct segment *seg, const uint8_t *bytes,
                            struct error *err);

#endif
