/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * extensions: the "Header extensions" between the header and the backing file's name.  What
 * is not known is skipped, as the specification wants; what would change the meaning of the
 * data is refused.  The loop advances by at least 8 bytes and stays in the first cluster (J7).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "qcow2/layout.h"

enum { EXT_FEATURE_LEN = 48, EXT_BITMAPS_LEN = 24, EXT_BITMAPS_MAX = 65535 };

static const uint32_t ext_backing_format = 0xe2792aca, ext_feature_names = 0x6803f857,
                      ext_bitmaps = 0x23852875, ext_crypto = 0x0537be77,
                      ext_data_file = 0x44415441;

/* One extension: LEN bytes at BODY, which is byte AT of the file. */
struct extension {
  uint32_t magic, len;
  const uint8_t *body;
  size_t at;
};

static int
backing_format (struct qcow2_extensions *out, const struct extension *e, struct error *err)
{
  if (e->len >= sizeof out->backing_format)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "header extension backing format at byte %zu has %" PRIu32
                 " bytes, 15 are the most; the image is damaged, ask for a sound one",
                 e->at, e->len);
  memcpy (out->backing_format, e->body, e->len);
  out->backing_format[e->len] = '\0';
  return 0;
}

/* Bitmaps are not imported.  But with the autoclear bit set they claim to be consistent, and
 * then what qemu-img refuses is refused here too. */
static int
bitmaps (struct qcow2_extensions *out, const struct extension *e, uint64_t autoclear,
         struct error *err)
{
  uint32_t n;
  uint64_t dir_len;

  if (e->len != EXT_BITMAPS_LEN)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "header extension bitmaps at byte %zu has %" PRIu32
                 " bytes instead of 24; the image is damaged, ask for a sound one",
                 e->at, e->len);
  if ((autoclear & AUTOCLEAR_BITMAPS) == 0)
    return 0;
  n = load_be32 (e->body);
  dir_len = load_be64 (e->body + 8);
  if (n == 0 || n > EXT_BITMAPS_MAX || load_be32 (e->body + 4) != 0)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "header extension bitmaps at byte %zu: nb_bitmaps %" PRIu32
                 " is not 1 to 65535, or its reserved field is not 0; "
                 "\"qemu-img bitmap --remove\" or \"qemu-img convert\" removes bitmaps",
                 e->at, n);
  if (dir_len == 0 || dir_len > UINT64_C (1024) * EXT_BITMAPS_MAX)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "header extension bitmaps at byte %zu: bitmap_directory_size %" PRIu64
                 " is not 1 to %" PRIu64 "; \"qemu-img convert\" removes bitmaps",
                 e->at, dir_len, UINT64_C (1024) * EXT_BITMAPS_MAX);
  out->bitmap_directory.at.v = load_be64 (e->body + 16);
  out->bitmap_directory.len = dir_len;
  out->bitmap_directory_seen_at = e->at + 16;
  return 0;
}

static int
extension (struct qcow2_extensions *out, const struct extension *e, uint64_t autoclear,
           struct error *err)
{
  if (e->magic == ext_backing_format)
    return backing_format (out, e, err);
  if (e->magic == ext_bitmaps)
    return bitmaps (out, e, autoclear, err);
  if (e->magic == ext_feature_names) {
    out->feature_names = e->body;
    out->feature_names_n = e->len / EXT_FEATURE_LEN;
    return 0;
  }
  if (e->magic == ext_data_file)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "header extension at byte %zu names an external data file, which is never "
                 "opened; ask for a flattened image (\"qemu-img convert -O qcow2\")",
                 e->at);
  if (e->magic == ext_crypto)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "header extension at byte %zu says the image is encrypted (LUKS); "
                 "\"qemu-img convert\" with its key writes a plain one",
                 e->at);
  return 0;
}

int
qcow2_extensions_parse (struct qcow2_extensions *out, const uint8_t *raw, size_t from,
                        size_t to, uint64_t autoclear, struct error *err)
{
  memset (out, 0, sizeof *out);
  while (from < to) {
    struct extension e = { 0 };
    size_t left = to - from;

    if (left < 8)
      return fail (err, ERR_IMAGE_MALFORMED,
                   "header extension at byte %zu is cut by the backing file name at byte %zu; "
                   "the image is damaged, ask for a sound one",
                   from, to);
    e.magic = load_be32 (raw + from);
    e.len = load_be32 (raw + from + 4);
    e.at = from + 8;
    e.body = raw + e.at;
    if (e.len > left - 8)
      return fail (err, ERR_IMAGE_MALFORMED,
                   "header extension 0x%08" PRIx32 " at byte %zu: length %" PRIu32
                   " does not fit in front of byte %zu; the image is damaged, "
                   "ask for a sound one",
                   e.magic, from, e.len, to);
    if (e.magic == EXT_END)
      return 0;
    if (extension (out, &e, autoclear, err) == -1)
      return -1;
    from = e.at + (size_t)align_up (e.len, 8);
  }
  return 0;
}

const char *
qcow2_feature_name (const struct qcow2_extensions *x, unsigned bit, char *out, size_t out_size)
{
  size_t i;

  for (i = 0; i < x->feature_names_n; i++) {
    const uint8_t *entry = x->feature_names + i * EXT_FEATURE_LEN;

    if (entry[0] == 0 && entry[1] == bit && entry[2] != '\0')
      return escape_text (out, out_size, entry + 2,
                          strnlen ((const char *)entry + 2, EXT_FEATURE_LEN - 2));
  }
  snprintf (out, out_size, "without a name");
  return out;
}
