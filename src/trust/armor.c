/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * armor: see armor.h.
 */
#include "trust/armor.h"

static const char BEGIN[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
static const char END[] = "-----END PGP PUBLIC KEY BLOCK-----";

struct decoder {
  uint32_t bits, crc;
  unsigned have; /* bits that are no byte yet */
  bool padded;
  uint8_t *out;
  size_t n;
};

static void
begin (struct decoder *d, uint8_t *out)
{
  *d = (struct decoder){ .crc = 0xB704CE, .out = out };
}

static void
put (struct decoder *d, uint8_t byte)
{
  int i;

  d->out[d->n++] = byte;
  d->crc ^= (uint32_t)byte << 16;
  for (i = 0; i < 8; i++)
    d->crc = (d->crc << 1 ^ (d->crc & 0x800000 ? 0x1864CFB : 0)) & 0xFFFFFF;
}

static bool
decode_line (struct decoder *d, struct span line)
{
  static const char alphabet[]
      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t i;

  for (i = 0; i < line.len; i++) {
    const char *digit = line.at[i] == '\0' ? NULL : strchr (alphabet, line.at[i]);

    if (line.at[i] == '=' && d->n > 0) {
      d->padded = true;
      continue;
    }
    if (digit == NULL || d->padded)
      return false;
    d->bits = d->bits << 6 | (uint32_t)(digit - alphabet);
    d->have += 6;
    if (d->have >= 8) {
      d->have -= 8;
      put (d, (uint8_t)(d->bits >> d->have));
    }
  }
  return true;
}

/* LINE is "=" and the checksum of what was decoded. */
static bool
crc_is_right (const struct decoder *d, struct span line)
{
  uint8_t sum[4];
  struct decoder c;

  begin (&c, sum);
  return line.len == 5 && decode_line (&c, span_from (line, 1)) && c.n == 3
         && d->crc == ((uint32_t)sum[0] << 16 | (uint32_t)sum[1] << 8 | sum[2]);
}

/* One block, whose first line is behind us. */
static bool
decode_block (struct decoder *d, struct span *rest)
{
  struct span line;

  while (span_line (rest, &line) && span_trim (line).len > 0)
    ; /* headers */
  while (span_line (rest, &line)) {
    line = span_trim (line);
    if (span_is (line, END))
      return d->n > 0;
    if (span_begins (line, "=")) {
      if (!crc_is_right (d, line))
        return false;
    } else if (!decode_line (d, line))
      return false;
  }
  return false;
}

bool
armor_is (struct span file)
{
  struct span line;

  while (span_line (&file, &line))
    if (span_is (span_trim_end (line), BEGIN))
      return true;
  return false;
}

int
armor_decode (struct span file, uint8_t *out, size_t *len, struct error *err)
{
  struct span line;
  struct decoder d;

  *len = 0;
  while (span_line (&file, &line)) {
    if (!span_is (span_trim_end (line), BEGIN))
      continue;
    begin (&d, out + *len);
    if (!decode_block (&d, &file))
      return fail (err, ERR_USAGE, "its armored keys are damaged; export them again");
    *len += d.n;
  }
  return 0;
}
