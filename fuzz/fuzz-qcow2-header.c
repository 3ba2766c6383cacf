/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header and the snapshot table of a hostile image.  The first two bytes say how much
 * longer the file is than what follows; what is accepted must be inside it and apart.  Where
 * the first bytes are said to be enough, they must give the header that all of them give.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/qcow2.h"

#define must(x)                                                                              \
  do {                                                                                       \
    if (!(x))                                                                                \
      __builtin_trap ();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

static void
snapshots (const struct qcow2_header *h, const uint8_t *raw, size_t n)
{
  host_off at = { h->snapshots_at };
  uint32_t i;

  for (i = 0; i < h->snapshots && at.v < n; i++) {
    struct qcow2_snapshot s;
    struct error err;
    size_t len;

    if (qcow2_snapshot_parse (h, at, raw + at.v, n - at.v, &s, &len, &err) != 0)
      return;
    must (len >= 40 && len % 8 == 0);
    must (s.raw_id_len + s.raw_name_len + 40 <= len);
    must (s.disk.virtual_size <= s.disk.l1.n * qcow2_l1_span (h));
    must (s.l1_wrong.code != ERR_NONE || s.disk.l1.n == 0 || s.disk.l1.at.v + 8 * s.disk.l1.n <= h->file_len);
    at.v += len;
  }
}

static void
accepted (const struct qcow2_header *h, const uint8_t *raw, size_t n)
{
  struct qcow2_glance glance;
  struct qcow2_disk disk;
  struct error err;

  qcow2_active_disk (h, &disk);
  must (disk.l1.n <= h->l1.n);
  must (h->l1.at.v + 8 * h->l1.n <= h->file_len || h->l1.n == 0);
  must (disk.virtual_size <= disk.l1.n * qcow2_l1_span (h));
  must (h->refcount_table.at.v >= h->cluster_size);
  must (h->l1.n == 0 || h->l1.at.v >= h->cluster_size);
  must (h->backing_name_len <= QCOW2_NAME_MAX && h->backing_name[h->backing_name_len] == '\0');
  if (h->l1.n > 0) {
    must (qcow2_header_glance (raw, n, h->file_len, &glance, &err) == 0);
    must (glance.cluster_bits == h->cluster_bits && glance.compression == h->compression);
    must (glance.l1.at.v == h->l1.at.v && glance.l1.n == h->l1.n);
  }
  snapshots (h, raw, n);
}

/* RAW, whose N bytes gave H or WHY, with zeros for what is behind byte CUT. */
static void
again (uint8_t *raw, size_t n, size_t cut, uint64_t file_len, const struct qcow2_header *h,
       const struct error *why)
{
  struct qcow2_header g;
  struct error err;

  if (!qcow2_header_is_here (raw, cut))
    return;
  memset (raw + cut, 0, n - cut);
  if (qcow2_header_parse (&g, raw, n, file_len, UINT64_MAX, &err) == -1) {
    must (h == NULL && strcmp (err.text, why->text) == 0);
    return;
  }
  must (h != NULL && g.l1.at.v == h->l1.at.v && g.l1.n == h->l1.n);
  must (g.compression == h->compression && g.extended_l2 == h->extended_l2);
  must (g.snapshots == h->snapshots && g.snapshots_at == h->snapshots_at);
  must (strcmp (g.backing_format, h->backing_format) == 0);
  must (g.backing_name_len == h->backing_name_len);
  must (memcmp (g.backing_name, h->backing_name, g.backing_name_len) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  struct qcow2_header h;
  struct error err;
  uint64_t file_len;
  uint8_t *raw;
  size_t need;

  if (n < 2)
    return 0;
  file_len = n - 2 + ((uint64_t)load_be16 (data) << 9);
  data += 2;
  n -= 2;
  must (qcow2_raw_needs (data, n) == 0 || qcow2_raw_disk (data, n) != NULL);
  if (qcow2_header_need (data, n, file_len, &need, &err) == -1)
    return 0;
  need = need > n ? need : n;
  raw = calloc (1, need);
  must (raw != NULL);
  memcpy (raw, data, n);
  if (qcow2_header_parse (&h, raw, need, file_len, UINT64_MAX, &err) == 0) {
    accepted (&h, raw, need);
    again (raw, need, n / 2, file_len, &h, NULL);
  } else {
    must (err.text[0] != '\0' && strchr (err.text, '\n') == NULL);
    again (raw, need, n / 2, file_len, NULL, &err);
  }
  free (raw);
  return 0;
}
