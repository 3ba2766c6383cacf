/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_file: what a publisher's file of checksums says about one file, whatever its layout.
 * Bytes in, facts out; whether they are the publisher's is signature.h's question.
 *
 *     HEX  NAME, HEX *NAME        coreutils; a line that begins with \ has escapes in its name
 *     SHA256 (NAME) = HEX         BSD, openssl
 *     NAME: HEX, ALGO:HEX  NAME
 *     HEX                         alone in the file
 *     # SHA512 HASH, SHA512:      a section: what follows is of that algorithm
 *     { ... }                     JSON: the object that names the file and has its digests
 *
 * A name is compared by its last part; one that is a URL is decoded.  The length of a digest
 * says its algorithm where nothing else does.  Of a file with a clear-signed block nothing
 * counts but what is within it.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_FILE_H
#define QIMPORT_TRUST_CHECKSUM_FILE_H

#include "base/error.h"
#include "trust/checksum_name.h"
#include "trust/checksum_set.h"
#include "trust/span.h"

/* The largest that publishers have is a list of streams, 5 MB. */
enum { CHECKSUM_FILE_MAX = 8 << 20 };

/* What FILE says about NAME.  ERR_SOURCE_CHECKSUM: nothing, or two that contradict. */
int checksum_file_read (struct span file, const char *name, struct checksums *out,
                        struct error *err);

/* The strongest of them; there is one. */
const struct checksum *checksums_strongest (const struct checksums *c);

#endif
