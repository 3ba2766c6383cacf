/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sha256_blocks: the compression function of SHA-256 (FIPS 180-4) by the instructions that x86
 * processors have for it.  Those are bound by their latency: two messages at once take little
 * longer than one, and two states over the same bytes less still, since the message schedule is
 * computed once.  Knows no padding, no length and no context: digest.c does.
 */
#ifndef QIMPORT_BASE_SHA256_BLOCKS_H
#define QIMPORT_BASE_SHA256_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64 };

/* Does this processor have them?  Nothing below may be called where it has not. */
bool sha256_blocks_here (void);

/* N blocks at P into STATE, the eight words a to h. */
void sha256_blocks_one (uint32_t state[8], const uint8_t *p, size_t n);
/* N blocks at PA into A, and N at PB into B. */
void sha256_blocks_two (uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb,
                        size_t n);
/* N blocks at P into A and into B. */
void sha256_blocks_both (uint32_t a[8], uint32_t b[8], const uint8_t *p, size_t n);

#endif
