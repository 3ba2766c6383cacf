/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * raw_disk: see raw_disk.h.
 */
#include "image/raw_disk.h"

#include <string.h>

#include "base/text.h"

/* Host offsets of extents stay below this. */
#define RAW_LEN_MAX ((uint64_t)INT64_MAX / 2)

static bool
is_qcow2 (const uint8_t *head, size_t len)
{
  return len >= 4 && memcmp (head, "QFI\xfb", 4) == 0;
}

bool
raw_disk_undecided (enum image_format format, const uint8_t *head, size_t len)
{
  return format == FORMAT_AUTO && !is_qcow2 (head, len);
}

/* Nobody said what it is: so it must show it. */
static int
decide_by_bytes (const char *url, const uint8_t *head, size_t len, const uint8_t *last,
                 struct error *err)
{
  const char *what = qcow2_other_format (head, len);

  if (what == NULL && last != NULL)
    what = qcow2_other_trailer (last);
  if (what != NULL)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: no qcow2 image: this is %s; --format raw takes its bytes as a disk, as "
                 "they are",
                 url, what);
  if (!qcow2_may_be_raw (head, len))
    return fail (err, ERR_IMAGE_MALFORMED,
                 "%s: no qcow2 image: the magic at byte 0 is missing; this looks like %s", url,
                 qcow2_looks_like (head, len));
  if (qcow2_raw_disk (head, len) == NULL)
    return fail (
        err, ERR_IMAGE_MALFORMED,
        "%s: no qcow2 image, and no partition table or file system that is known is in "
        "its first %zu bytes: this looks like %s; if it is a raw disk all the same, "
        "say --format raw",
        url, len, qcow2_looks_like (head, len));
  return 0;
}

int
raw_disk_decide (const struct image_spec *spec, const char *url, const uint8_t *head,
                 size_t len, const uint8_t *last, bool *raw, struct error *err)
{
  *raw = false;
  if (spec->format == FORMAT_QCOW2 || (spec->format == FORMAT_AUTO && is_qcow2 (head, len)))
    return 0;
  if (spec->format == FORMAT_AUTO && decide_by_bytes (url, head, len, last, err) == -1)
    return -1;
  if (len == 0)
    return fail (err, ERR_IMAGE_MALFORMED, "%s: an empty file; check what was uploaded", url);
  if (spec->snapshot != NULL)
    return fail (err, ERR_USAGE,
                 "%s: is a raw disk, which has no snapshots; leave out --snapshot", url);
  *raw = true;
  return 0;
}

int
raw_disk_size (const struct image_spec *spec, const char *url, uint64_t len, uint64_t *size,
               struct error *err)
{
  char have[24], most[24];

  if (len <= min_u64 (spec->max_size, RAW_LEN_MAX - SECTOR)) {
    *size = align_up (len, SECTOR);
    return 0;
  }
  return fail (err, ERR_IMAGE_TOO_LARGE,
               "%s: is a raw disk of %s, more than the %s that --max-size allows", url,
               format_size (have, len), format_size (most, spec->max_size));
}
