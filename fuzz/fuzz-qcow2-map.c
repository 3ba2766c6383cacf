/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Hostile tables.  What begins with the magic is a whole image: header, L1 and L2 tables out of
 * one buffer.  Everything else is the entries alone, of an image whose header is sound and as
 * the first bytes choose it, so that every cluster size and far offsets are reached.  Whatever
 * is emitted must cover the disk without gap, inside the file and clear of the tables the
 * header places.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/layout.h"

#define must(x)                                                                              \
  do {                                                                                       \
    if (!(x))                                                                                \
      __builtin_trap ();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

struct sum {
  const struct qcow2_header *h;
  uint64_t next, l2;
};

static int
take (void *ctx, const struct extent *e, struct error *err)
{
  struct sum *s = ctx;
  const struct qcow2_header *h = s->h;

  (void)err;
  must (e->guest.v == s->next && e->len > 0 && e->len % SECTOR == 0);
  must (e->layer == 0 && e->skip == 0);
  must ((e->kind == EXTENT_DATA) == (e->stored == e->len) || e->kind == EXTENT_COMPRESSED);
  must (e->stored == 0 || extent_host_end (e) <= h->file_len);
  must (e->stored == 0 || e->host.v >= h->cluster_size);
  must (e->stored == 0 || e->host.v >= s->l2 + h->cluster_size || extent_host_end (e) <= s->l2);
  must (e->stored == 0 || e->host.v >= h->l1.at.v + 8 * h->l1.n
        || extent_host_end (e) <= h->l1.at.v);
  must (e->kind != EXTENT_COMPRESSED || (e->len <= h->cluster_size && e->stored > 0));
  s->next += e->len;
  return 0;
}

/* ---- A whole image ---------------------------------------------------------------------- */

/* In pieces of CHUNK entries, as a caller short of memory would. */
static int
table (struct sum *s, const struct qcow2_disk *disk, uint64_t l1_idx, const uint8_t *data,
       uint64_t chunk)
{
  uint64_t used = qcow2_l2_used (s->h, disk, l1_idx), i;
  host_off at = { s->l2 };
  struct error err;

  for (i = 0; i < used; i += chunk)
    if (qcow2_l2_walk (s->h, disk, l1_idx, at, i, data + i * qcow2_l2_entry_size (s->h),
                       (size_t)min_u64 (chunk, used - i), take, s, &err)
        == -1)
      return -1;
  return 0;
}

static void
image (const uint8_t *data, size_t n)
{
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  struct sum s = { .h = &h };
  size_t need;
  uint64_t i;
  host_off l2;

  if (qcow2_header_need (data, n, n, &need, &err) == -1
      || qcow2_header_parse (&h, data, n, n, 256 << 20, &err) == -1)
    return;
  qcow2_active_disk (&h, &disk);
  for (i = 0; i < disk.l1.n; i++) {
    if (qcow2_l1_parse (&h, &disk, i, data + disk.l1.at.v + 8 * i, 1, &l2, &err) == -1)
      return;
    s.l2 = l2.v;
    if (l2.v == 0)
      must (qcow2_l1_hole (&h, &disk, i, take, &s, &err) == 0);
    else if (table (&s, &disk, i, data + l2.v, i % 2 ? 7 : UINT32_MAX) == -1)
      return;
  }
  must (s.next == disk.virtual_size);
}

/* ---- Entries alone ---------------------------------------------------------------------- */

enum { SHAPE = 12, L1_CLUSTER = 3 };

/* The header that the SHAPE bytes of DATA choose: false if there is none. */
static bool
shape (const uint8_t *data, struct qcow2_header *h)
{
  static uint8_t raw[QCOW2_CLUSTER_MAX];
  uint32_t bits = 9 + data[0] % 13;
  uint64_t size = (uint64_t)load_be32 (data + 4) * SECTOR;
  uint64_t file_len = (uint64_t)load_be32 (data + 8) << (data[1] >> 4);
  struct error err;

  memcpy (raw, "QFI\xfb", 4);
  store_be32 (raw + AT_VERSION, data[1] & 1 ? 2 : 3);
  store_be32 (raw + AT_CLUSTER_BITS, bits);
  store_be64 (raw + AT_SIZE, size);
  store_be32 (raw + AT_L1_SIZE, load_be16 (data + 2));
  store_be64 (raw + AT_L1_OFFSET, (uint64_t)L1_CLUSTER << bits);
  store_be64 (raw + AT_REFTABLE_OFFSET, UINT64_C (1) << bits);
  store_be32 (raw + AT_REFTABLE_CLUSTERS, 1);
  memset (raw + AT_INCOMPATIBLE, 0, 32);
  if ((data[1] & 1) == 0) {
    store_be64 (raw + AT_INCOMPATIBLE, data[1] & 2 ? FEATURE_EXTENDED_L2 : 0);
    store_be32 (raw + AT_REFCOUNT_ORDER, 4);
    store_be32 (raw + AT_HEADER_LENGTH, QCOW2_HEADER_MIN);
  }
  if (data[1] & 4)
    file_len = QCOW2_LEN_UNKNOWN;
  return qcow2_header_parse (h, raw, sizeof raw, file_len, UINT64_MAX, &err) == 0;
}

/* Each L1 entry that names a table is followed by a byte, how many entries of it there are. */
static void
entries (const uint8_t *data, size_t n)
{
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  struct sum s = { .h = &h };
  uint64_t i;
  host_off l2;

  if (n < SHAPE || !shape (data, &h))
    return;
  data += SHAPE;
  n -= SHAPE;
  qcow2_active_disk (&h, &disk);
  for (i = 0; i < disk.l1.n && n > 8; i++) {
    size_t have;

    if (qcow2_l1_parse (&h, &disk, i, data, 1, &l2, &err) == -1)
      return;
    have = (size_t)min_u64 (data[8], (n - 9) / qcow2_l2_entry_size (&h));
    s.l2 = l2.v;
    s.next = i * qcow2_l1_span (&h);
    data += 9;
    n -= 9;
    if (l2.v == 0) {
      must (qcow2_l1_hole (&h, &disk, i, take, &s, &err) == 0);
      continue;
    }
    if (qcow2_l2_walk (&h, &disk, i, l2, 0, data, have, take, &s, &err) == -1)
      return;
    data += have * qcow2_l2_entry_size (&h);
    n -= have * qcow2_l2_entry_size (&h);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  if (n >= 4 && memcmp (data, "QFI\xfb", 4) == 0)
    image (data, n);
  else
    entries (data, n);
  return 0;
}
