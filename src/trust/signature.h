/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * signature: is it signed by a key of the keyring?  The only file that starts a program: gpgv,
 * without a shell, in an environment of its own, with nothing written to a disk.  Where the
 * bytes come from is not known here.
 */
#ifndef QIMPORT_TRUST_SIGNATURE_H
#define QIMPORT_TRUST_SIGNATURE_H

#include "base/error.h"
#include "base/own.h"
#include "trust/gpgv_status.h"
#include "trust/span.h"

enum { SIGNATURE_MAX = 1 << 20, KEYRING_MAX = 16 << 20 };

/* A check that is going on. */
struct signature_check;

/* Bytes are to be checked against a detached SIGNATURE, or, where that is NULL, against what is
 * within them: they are a clear-signed block.  KEYRING is a file of OpenPGP keys, binary or
 * armored.  ERR_USAGE where it cannot be read, or gpgv is not installed. */
int signature_begin (struct signature_check **out, const char *keyring,
                     const struct span *signature, struct error *err);
/* The next LEN bytes.  Waits for gpgv to take them; one that has ended says why at the end. */
int signature_write (struct signature_check *c, const void *buf, size_t len, struct error *err);
/* There are no more.  ERR_SOURCE_SIGNATURE: they are not signed by a key that counts. */
int signature_end (struct signature_check *c, struct signer *out, struct error *err);
/* After the end: the signed text of a clear-signed block, as gpgv read it; the caller's to
 * free. */
int signature_text (struct signature_check *c, char **text, size_t *len, struct error *err);
void signature_check_close (struct signature_check *c);
OWNABLE (signature_check)

#endif
