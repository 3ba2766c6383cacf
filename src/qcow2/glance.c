/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * glance: what can be said of a header without parsing it: whether all of it is here, and, of
 * one that an earlier run checked and whose bytes are known to be the same, what decoding
 * needs.
 */
#include "base/bytes.h"
#include "qcow2/layout.h"
#include "qcow2/qcow2.h"

int
qcow2_header_glance (const uint8_t *raw, size_t n, uint64_t file_len, struct qcow2_glance *out,
                     struct error *err)
{
  struct host_range l1;
  uint32_t length = 0;
  size_t need;

  if (qcow2_header_need (raw, n, file_len, &need, err) == -1)
    return -1;
  out->cluster_bits = load_be32 (raw + AT_CLUSTER_BITS);
  if (load_be32 (raw + AT_VERSION) == 3)
    length = load_be32 (raw + AT_HEADER_LENGTH);
  out->compression = QCOW2_DEFLATE;
  if (length > AT_COMPRESSION && n > AT_COMPRESSION && raw[AT_COMPRESSION] == QCOW2_ZSTD)
    out->compression = QCOW2_ZSTD;
  out->l1.at.v = load_be64 (raw + AT_L1_OFFSET);
  out->l1.n = load_be32 (raw + AT_L1_SIZE);
  l1.at = out->l1.at;
  l1.len = out->l1.n * 8;
  if (!host_range_within (l1, file_len))
    return fail (err, ERR_IMAGE_TRUNCATED, "the L1 table lies beyond the end of the file");
  return 0;
}

/* The end of the header extensions, if it lies within N bytes. */
static bool
extensions_end (const uint8_t *raw, size_t n, size_t from)
{
  while (from + 8 <= n) {
    uint32_t magic = load_be32 (raw + from), len = load_be32 (raw + from + 4);

    if (magic == EXT_END)
      return true;
    if (len > n)
      return false;
    from += 8 + (size_t)align_up (len, 8);
  }
  return false;
}

bool
qcow2_header_is_here (const uint8_t *raw, size_t n)
{
  uint64_t backing, from = QCOW2_V2_HEADER_LEN, end;

  if (n < QCOW2_HEADER_MIN)
    return false;
  if (load_be32 (raw + AT_VERSION) == 3)
    from = load_be32 (raw + AT_HEADER_LENGTH);
  if (from > n || !extensions_end (raw, n, (size_t)from))
    return false;
  backing = load_be64 (raw + AT_BACKING_OFFSET);
  return backing == 0
         || (range_end (backing, load_be32 (raw + AT_BACKING_SIZE), &end) && end <= n);
}
