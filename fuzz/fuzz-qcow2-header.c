/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header and the snapshot table of a hostile image.  The first two bytes say how much longer
 * the file is than what follows; what is accepted must be inside it and apart.
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
    must (s.disk.l1.n == 0 || s.disk.l1.at.v + 8 * s.disk.l1.n <= h->file_len);
    at.v += len;
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  uint64_t file_len;
  uint8_t *raw;
  size_t need;

  if (n < 2)
    return 0;
  file_len = n - 2 + ((uint64_t)load_be16 (data) << 9);
  data += 2;
  n -= 2;
  if (qcow2_header_need (data, n, file_len, &need, &err) == -1)
    return 0;
  raw = calloc (1, need > n ? need : n);
  must (raw != NULL);
  memcpy (raw, data, n);
  if (qcow2_header_parse (&h, raw, need > n ? need : n, file_len, UINT64_MAX, &err) == 0) {
    qcow2_active_disk (&h, &disk);
    must (disk.l1.n <= h.l1.n);
    must (h.l1.at.v + 8 * h.l1.n <= file_len || h.l1.n == 0);
    must (disk.virtual_size <= disk.l1.n * qcow2_l1_span (&h));
    must (h.refcount_table.at.v >= h.cluster_size);
    must (h.l1.n == 0 || h.l1.at.v >= h.cluster_size);
    must (h.backing_name_len <= QCOW2_NAME_MAX && h.backing_name[h.backing_name_len] == '\0');
    snapshots (&h, raw, need > n ? need : n);
  } else {
    must (err.text[0] != '\0' && strchr (err.text, '\n') == NULL);
  }
  free (raw);
  return 0;
}
