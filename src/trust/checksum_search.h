/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_search: what the readers of the layouts share, and nobody else sees: which file is
 * looked for, and what was found of it.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_SEARCH_H
#define QIMPORT_TRUST_CHECKSUM_SEARCH_H

#include "trust/checksum_set.h"
#include "trust/span.h"

struct checksum_search {
  const char *name;
  struct checksums found;
  size_t others; /* entries about other files */
  bool contradicts;
  struct checksum one, another; /* if so */
};

/* NAME as a file of checksums has it is the file that is looked for. */
bool checksum_search_wants (const struct checksum_search *s, struct span name);
/* C is said about it. */
void checksum_search_add (struct checksum_search *s, const struct checksum *c);
/* The algorithm that WORD names; "SHA256SUMS" and "sha256sum" name one too. */
bool checksum_algorithm (struct span word, enum hash_algorithm *out);
/* A digest of that algorithm, with "ALGO:" before it or not; false if it is none. */
bool checksum_from_span (struct checksum *out, struct span digits);

#endif
