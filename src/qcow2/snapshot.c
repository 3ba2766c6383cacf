/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: the entries of the "Snapshot table".  Every one is checked, whether it is imported
 * or not: a table that does not parse says that the image is damaged.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "qcow2/layout.h"

/* Byte offsets in an entry, then in its extra data. */
enum {
  SNAP_L1_OFFSET = 0,
  SNAP_L1_SIZE = 8,
  SNAP_ID_LEN = 12,
  SNAP_NAME_LEN = 14,
  SNAP_DATE_S = 16,
  SNAP_DATE_NS = 20,
  SNAP_VM_CLOCK = 24,
  SNAP_VM_STATE_SIZE = 32,
  SNAP_EXTRA_LEN = 36,

  EXTRA_VM_STATE_SIZE = 0,
  EXTRA_DISK_SIZE = 8,
  EXTRA_ICOUNT = 16
};

#define DAMAGED "the image is damaged, ask for a sound one"

/* The entry ends, without padding, at LEN bytes: is that in the file, and apart? */
static int
check_extent (const struct qcow2_header *h, host_off at, uint64_t len, struct error *err)
{
  struct host_range r = { at, len };
  struct qcow2_header others = *h;
  const char *other;

  others.snapshots = 0;
  if (!host_range_within (r, h->file_len))
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "snapshot table: the entry at byte %" PRIu64 " has %" PRIu64
                 " bytes and ends beyond the image (%" PRIu64 " bytes); " DAMAGED,
                 at.v, len, h->file_len);
  other = qcow2_overlap (&others, NULL, r);
  if (other != NULL)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "snapshot table: the entry at byte %" PRIu64 " overlaps %s; " DAMAGED, at.v,
                 other);
  if (at.v - h->snapshots_at > QCOW2_SNAPSHOT_TABLE_MAX - len)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "snapshot table: with the entry at byte %" PRIu64
                 " it is larger than 64 MiB; " DAMAGED,
                 at.v);
  return 0;
}

static int
place_l1 (const struct qcow2_header *h, struct qcow2_snapshot *s, const uint8_t *raw,
          struct error *err)
{
  uint64_t n = load_be32 (raw + SNAP_L1_SIZE);
  struct qcow2_placed t = { "L1 table offset of a snapshot",
                            s->entry_at + SNAP_L1_OFFSET,
                            { { load_be64 (raw + SNAP_L1_OFFSET) }, n * 8 } };

  s->disk.l1.at = t.range.at;
  s->disk.l1.n = qcow2_l1_needed (h, s->disk.virtual_size);
  if (t.range.len > QCOW2_L1_MAX || n < s->disk.l1.n)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "snapshot table: l1_size at byte %" PRIu64 " is %" PRIu64 ", not %" PRIu64
                 " (for %" PRIu64 " bytes of disk) to 4194304; " DAMAGED,
                 s->entry_at + SNAP_L1_SIZE, n, s->disk.l1.n, s->disk.virtual_size);
  return qcow2_place (h, &t, err);
}

/* A snapshot of old has no size of its own: then the disk never changed it. */
static int
unpack_extra (const struct qcow2_header *h, struct qcow2_snapshot *s, const uint8_t *raw,
              size_t len, struct error *err)
{
  const uint8_t *extra = raw + QCOW2_SNAPSHOT_FIXED;

  s->disk.virtual_size = h->virtual_size;
  s->vm_state_size = load_be32 (raw + SNAP_VM_STATE_SIZE);
  if (len >= EXTRA_VM_STATE_SIZE + 8)
    s->vm_state_size = load_be64 (extra + EXTRA_VM_STATE_SIZE);
  s->icount = len < EXTRA_ICOUNT + 8 ? UINT64_MAX : load_be64 (extra + EXTRA_ICOUNT);
  if (len < EXTRA_DISK_SIZE + 8)
    return 0;
  s->disk.virtual_size = load_be64 (extra + EXTRA_DISK_SIZE);
  if (!is_aligned (s->disk.virtual_size, SECTOR) || s->disk.virtual_size > INT64_MAX)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "snapshot table: disk size at byte %" PRIu64 " is %" PRIu64
                 ", no multiple of 512 or too large; " DAMAGED,
                 s->entry_at + QCOW2_SNAPSHOT_FIXED + EXTRA_DISK_SIZE, s->disk.virtual_size);
  return 0;
}

int
qcow2_snapshot_parse (const struct qcow2_header *h, host_off at, const uint8_t *raw, size_t n,
                      struct qcow2_snapshot *out, size_t *entry_len, struct error *err)
{
  struct qcow2_snapshot s = { .entry_at = at.v };
  size_t extra_len, len = QCOW2_SNAPSHOT_FIXED;

  if (check_extent (h, at, len, err) == -1)
    return -1;
  *entry_len = len;
  if (n < len)
    return 1;
  extra_len = load_be32 (raw + SNAP_EXTRA_LEN);
  if (extra_len > QCOW2_SNAPSHOT_EXTRA_MAX)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "snapshot table: extra_data_size at byte %" PRIu64
                 " is %zu, more than 1024; " DAMAGED,
                 at.v + SNAP_EXTRA_LEN, extra_len);
  s.raw_id_len = load_be16 (raw + SNAP_ID_LEN);
  s.raw_name_len = load_be16 (raw + SNAP_NAME_LEN);
  len += extra_len + s.raw_id_len + s.raw_name_len;
  if (check_extent (h, at, len, err) == -1)
    return -1;
  *entry_len = len;
  if (n < len)
    return 1;
  s.raw_id = raw + QCOW2_SNAPSHOT_FIXED + extra_len;
  s.raw_name = s.raw_id + s.raw_id_len;
  s.date_s = load_be32 (raw + SNAP_DATE_S);
  s.date_ns = load_be32 (raw + SNAP_DATE_NS);
  s.vm_clock_ns = load_be64 (raw + SNAP_VM_CLOCK);
  if (unpack_extra (h, &s, raw, extra_len, err) == -1 || place_l1 (h, &s, raw, err) == -1)
    return -1;
  escape_text (s.id, sizeof s.id, s.raw_id, s.raw_id_len);
  escape_text (s.name, sizeof s.name, s.raw_name, s.raw_name_len);
  s.entry_end = at.v + len;
  *entry_len = (size_t)align_up (len, 8);
  *out = s;
  return 0;
}
