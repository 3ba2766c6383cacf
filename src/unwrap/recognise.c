/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recognise: what a file is, by its first bytes; and the words with which it is refused.  Names
 * and the server's types are never asked.
 */
#include "unwrap/codec.h"

#include <string.h>

struct signature {
  enum wrapper kind;
  uint16_t at, len;
  const char *bytes;
};

/* The first that fits.  bzip2, xz and gzip have more to them, which their decoders say. */
static const struct signature signatures[] = {
  { WRAPPER_XZ, 0, 6, "\xfd\x37\x7a\x58\x5a\0" },
  { WRAPPER_GZIP, 0, 3, "\x1f\x8b\x08" },
  { WRAPPER_ZSTD, 0, 4, "\x28\xb5\x2f\xfd" },
  { WRAPPER_ZIP, 0, 4, "PK\x03\x04" },
  { WRAPPER_ZIP, 0, 4, "PK\x05\x06" },
  { WRAPPER_ZIP, 0, 4, "PK\x07\x08" },
  { WRAPPER_SEVEN_ZIP, 0, 6, "7z\xbc\xaf\x27\x1c" },
  { WRAPPER_RAR, 0, 6, "Rar!\x1a\x07" },
  { WRAPPER_CPIO, 0, 6, "070701" },
  { WRAPPER_CPIO, 0, 6, "070702" },
  { WRAPPER_CPIO, 0, 6, "070707" },
  { WRAPPER_AR, 0, 8, "!<arch>\n" },
  { WRAPPER_CAB, 0, 8, "MSCF\0\0\0\0" },
  { WRAPPER_XAR, 0, 4, "xar!" },
  { WRAPPER_LZ4, 0, 4, "\x04\x22\x4d\x18" },
  { WRAPPER_LZ4, 0, 4, "\x02\x21\x4c\x18" },
  { WRAPPER_LZIP, 0, 4, "LZIP" },
  { WRAPPER_LZOP, 0, 9, "\x89LZO\0\r\n\x1a\n" },
  { WRAPPER_COMPRESS, 0, 2, "\x1f\x9d" },
};

static const struct signature bzip2_signatures[] = {
  { WRAPPER_BZIP2, 4, 6, "\x31\x41\x59\x26\x53\x59" },
  { WRAPPER_BZIP2, 4, 6, "\x17\x72\x45\x38\x50\x90" }, /* nothing in it */
};

static const char *const names[] = {
#define X(code, words) words,
  WRAPPERS (X)
#undef X
};

static bool
fits (const struct signature *s, const uint8_t *head, size_t len)
{
  return len >= (size_t)s->at + s->len && memcmp (head + s->at, s->bytes, s->len) == 0;
}

/* "BZh9" may be the beginning of anything; what follows it may not. */
static bool
is_bzip2 (const uint8_t *head, size_t len)
{
  size_t i;

  if (len < 10 || memcmp (head, "BZh", 3) != 0 || head[3] < '1' || head[3] > '9')
    return false;
  for (i = 0; i < sizeof bzip2_signatures / sizeof bzip2_signatures[0]; i++)
    if (fits (&bzip2_signatures[i], head, len))
      return true;
  return false;
}

/* A skippable frame, with which zstd files of several threads and of seekable formats begin.
 * lz4 has the same, and no file of it that begins with one was ever seen. */
static bool
is_skippable (const uint8_t *head, size_t len)
{
  return len >= 8 && (head[0] & 0xf0) == 0x50 && memcmp (head + 1, "\x2a\x4d\x18", 3) == 0;
}

static bool
is_old_zstd (const uint8_t *head, size_t len)
{
  return len >= 4
         && ((head[0] >= 0x22 && head[0] <= 0x27 && memcmp (head + 1, "\xb5\x2f\xfd", 3) == 0)
             || memcmp (head, "\xfd\x2f\xb5\x1e", 4) == 0);
}

/* No magic, but a dictionary size that writers make, and a length that none knew when it began.
 */
static bool
is_lzma (const uint8_t *head, size_t len)
{
  return len >= 13 && head[0] == 0x5d && head[1] == 0 && head[2] == 0
         && memcmp (head + 5, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0;
}

/* The first member's name stands at the start; of an OVA it is the OVF, by its specification.
 */
static enum wrapper
tar_kind (const uint8_t *head, size_t len)
{
  size_t n;

  if (len < 262 || memcmp (head + 257, "ustar", 5) != 0)
    return WRAPPER_NONE;
  n = strnlen ((const char *)head, 100);
  return n > 4 && memcmp (head + n - 4, ".ovf", 4) == 0 ? WRAPPER_OVA : WRAPPER_TAR;
}

enum wrapper
unwrap_recognise (const void *bytes, size_t len)
{
  const uint8_t *head = bytes;
  size_t i;

  for (i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
    if (fits (&signatures[i], head, len))
      return signatures[i].kind;
  if (is_bzip2 (head, len))
    return WRAPPER_BZIP2;
  if (is_skippable (head, len))
    return WRAPPER_ZSTD;
  if (is_old_zstd (head, len))
    return WRAPPER_ZSTD_OLD;
  if (is_lzma (head, len))
    return WRAPPER_LZMA;
  return tar_kind (head, len);
}

const char *
wrapper_name (enum wrapper kind)
{
  return names[kind];
}

bool
wrapper_is_unwrapped (enum wrapper kind)
{
  return kind != WRAPPER_NONE && kind < WRAPPER_TAR;
}

int
unwrap_refuse (enum wrapper kind, enum wrapper inside, struct error *err)
{
  const char *what = wrapper_is_unwrapped (kind) ? " data" : "";

  if (inside == WRAPPER_NONE)
    return fail (
        err, ERR_IMAGE_UNSUPPORTED,
        "this is %s%s, which is not unpacked on the way (xz, gzip, zstd and bzip2 are); "
        "unpack it first, and give the image in it",
        names[kind], what);
  return fail (
      err, ERR_IMAGE_UNSUPPORTED,
      "in the %s file is %s%s, and one wrapper is unpacked on the way, not two; unpack "
      "it first, and give the image in it",
      names[inside], names[kind], what);
}
