/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A whole hostile image: header, L1 and L2 tables out of one buffer.  Whatever is emitted must
 * cover the disk without gap, inside the file and clear of the tables the header places.
 */
#include <stdlib.h>

#include "qcow2/qcow2.h"

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
                       (size_t)min_u64 (chunk, used - i), take, s, &err) == -1)
      return -1;
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
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
    return 0;
  qcow2_active_disk (&h, &disk);
  for (i = 0; i < disk.l1.n; i++) {
    if (qcow2_l1_parse (&h, &disk, i, data + disk.l1.at.v + 8 * i, 1, &l2, &err) == -1)
      return 0;
    s.l2 = l2.v;
    if (l2.v == 0)
      must (qcow2_l1_hole (&h, &disk, i, take, &s, &err) == 0);
    else if (table (&s, &disk, i, data + l2.v, i % 2 ? 7 : UINT32_MAX) == -1)
      return 0;
  }
  must (s.next == disk.virtual_size);
  return 0;
}
