/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_json: the layouts that are JSON.
 */
#ifndef QIMPORT_TRUST_CHECKSUM_JSON_H
#define QIMPORT_TRUST_CHECKSUM_JSON_H

#include "base/error.h"
#include "trust/checksum_search.h"

/* -1: it is no JSON */
int checksum_search_json (struct checksum_search *s, struct span text, struct error *err);

#endif
