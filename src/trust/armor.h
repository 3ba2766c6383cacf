/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * armor: OpenPGP keys as text (RFC 4880, 6) made into the bytes that gpgv reads.  What the keys
 * are is not known here.
 */
#ifndef QIMPORT_TRUST_ARMOR_H
#define QIMPORT_TRUST_ARMOR_H

#include <stdint.h>

#include "base/error.h"
#include "trust/span.h"

/* FILE has armored keys in it. */
bool armor_is (struct span file);
/* The bytes of all its blocks of keys, at most FILE.len.  ERR_USAGE: one is damaged. */
int armor_decode (struct span file, uint8_t *out, size_t *len, struct error *err);

#endif
