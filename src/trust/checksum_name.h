/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_name: under which name a file of checksums has the file that is looked for.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_NAME_H
#define QIMPORT_TRUST_CHECKSUM_NAME_H

#include "base/error.h"
#include "trust/span.h"

enum { CHECKSUM_NAME_MAX = 1024 }; /* with the NUL */

/* The last part of URL, decoded and without query, or of a path. ERR_USAGE where it has none.
 */
int checksum_name (const char *url, char out[CHECKSUM_NAME_MAX], struct error *err);

/* NAME, as a file of checksums has it, is the file WANT. */
bool checksum_name_is (struct span name, const char *want);

#endif
