/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gpgv_status: what gpgv's status lines say about a signature.  They tell what its exit status
 * does not: that a key has expired, or was revoked.
 */
#ifndef QIMPORT_TRUST_GPGV_STATUS_H
#define QIMPORT_TRUST_GPGV_STATUS_H

#include "base/error.h"
#include "trust/span.h"

enum { FINGERPRINT_MAX = 65 };

/* Who signed: the primary key, in hexadecimal digits. */
struct signer {
  char fingerprint[FINGERPRINT_MAX];
};

/* One good signature of a key that is neither expired nor revoked, and no bad one, of bytes
 * that it was DETACHED from, or of one text that came with it: ERR_SOURCE_SIGNATURE otherwise,
 * saying why. */
int gpgv_status_read (struct span status, bool detached, struct signer *out, struct error *err);

#endif
