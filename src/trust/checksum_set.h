/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_set: all that is said about one file.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_SET_H
#define QIMPORT_TRUST_CHECKSUM_SET_H

#include <stdbool.h>

#include "base/hash.h"

struct checksums {
  bool has[HASH_N];
  struct checksum of[HASH_N];
};

#endif
