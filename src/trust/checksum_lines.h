/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_lines: the layouts that have an entry a line.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_LINES_H
#define QIMPORT_TRUST_CHECKSUM_LINES_H

#include "trust/checksum_search.h"

void checksum_search_lines (struct checksum_search *s, struct span text);

#endif
