/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2-image: the bytes of a small sound image, for the unit tests of the qcow2 room to spoil.
 * The layout is that of "qemu-img create -o cluster_size=4096 8M" with some data: header at 0,
 * refcount table 0x1000, refcount block 0x2000, L1 0x3000 (4 entries), L2 tables 0x4000, ...
 * A test includes it once, before anything of its own.
 */
#ifndef QIMPORT_TEST_QCOW2_IMAGE_H
#define QIMPORT_TEST_QCOW2_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/qcow2.h"

#include <cmocka.h> /* last: its macro fail () hides ours */

enum { IMAGE_LEN = 0x21000, IMAGE_CLUSTER = 4096 };

static const uint64_t image_max = UINT64_C (64) << 40;

/* WIDTH bytes of V, big endian, at byte AT; width 0 ends a list of them. */
struct patch {
  uint32_t at;
  uint32_t width;
  uint64_t v;
};

static inline void
patch_apply (uint8_t *raw, struct patch p)
{
  uint32_t i;

  for (i = 0; i < p.width; i++)
    raw[p.at + i] = (uint8_t)(p.v >> 8 * (p.width - 1 - i));
}

static inline void
patch_all (uint8_t *raw, const struct patch *p)
{
  for (; p->width != 0; p++)
    patch_apply (raw, *p);
}

/* The header cluster of the sound image; RAW holds N bytes, at least a cluster. */
static inline void
image_header (uint8_t *raw, size_t n)
{
  static const struct patch sound[] = {
    { 0, 4, 0x514649fb }, { 4, 4, 3 },       { 20, 4, 12 },     { 24, 8, 8 << 20 },
    { 36, 4, 4 },         { 40, 8, 0x3000 }, { 48, 8, 0x1000 }, { 56, 4, 1 },
    { 96, 4, 4 },         { 100, 4, 112 },   { 0, 0, 0 },
  };

  memset (raw, 0, n);
  patch_all (raw, sound);
}

/* Parses the sound header with PATCHES on it; fails the test if that is refused. */
static inline void
image_parse (struct qcow2_header *h, const struct patch *patches, uint64_t file_len)
{
  static uint8_t raw[QCOW2_CLUSTER_MAX];
  struct error err = { 0 };

  image_header (raw, IMAGE_CLUSTER);
  patch_all (raw, patches);
  if (qcow2_header_parse (h, raw, sizeof raw, file_len, image_max, &err) == -1)
    fail_msg ("%s", err.text);
}

/* One line, not empty, printable: what every refusal must be. */
static inline void
assert_one_line (const char *text)
{
  size_t i;

  assert_true (text[0] != '\0');
  for (i = 0; text[i] != '\0'; i++)
    assert_true ((unsigned char)text[i] >= 0x20 && (unsigned char)text[i] != 0x7f);
}

#endif
