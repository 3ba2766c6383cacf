/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clear_signed: see clear_signed.h, and RFC 4880, 7.
 */
#include "trust/clear_signed.h"

static bool
is_mark (struct span line, const char *words)
{
  return span_is (span_trim_end (line), words);
}

static bool
find_mark (struct span *rest, const char *words, struct span *line)
{
  while (span_line (rest, line))
    if (is_mark (*line, words))
      return true;
  return false;
}

static int
not_whole (struct error *err)
{
  return fail (err, ERR_SOURCE_CHECKSUM,
               "its clear-signed block does not end as it must; fetch the file again");
}

/* Headers such as "Hash: SHA512", and the empty line that ends them. */
static bool
skip_headers (struct span *rest)
{
  struct span line;

  while (span_line (rest, &line))
    if (span_trim (line).len == 0)
      return true;
  return false;
}

int
clear_signed_find (struct span file, struct clear_signed *out, struct error *err)
{
  struct span rest = file, line;

  if (!find_mark (&rest, "-----BEGIN PGP SIGNED MESSAGE-----", &line))
    return 0;
  out->block.at = line.at;
  if (!skip_headers (&rest))
    return not_whole (err);
  out->text.at = rest.at;
  if (!find_mark (&rest, "-----BEGIN PGP SIGNATURE-----", &line))
    return not_whole (err);
  out->text.len = (size_t)(line.at - out->text.at);
  if (!find_mark (&rest, "-----END PGP SIGNATURE-----", &line))
    return not_whole (err);
  out->block.len = (size_t)(line.at + line.len - out->block.at);
  if (find_mark (&rest, "-----BEGIN PGP SIGNED MESSAGE-----", &line))
    return fail (err, ERR_SOURCE_CHECKSUM,
                 "has several clear-signed blocks, of which none can be preferred; give a file "
                 "with one");
  /* a second message within the first: what one reader takes for text is a mark to another */
  rest = out->text;
  if (find_mark (&rest, "-----BEGIN PGP SIGNED MESSAGE-----", &line))
    return not_whole (err);
  return 1;
}

size_t
clear_signed_plain (struct span text, char *out)
{
  const char *end = text.at + text.len;
  struct span line;
  size_t n = 0;

  while (span_line (&text, &line)) {
    if (span_begins (line, "- "))
      line = span_from (line, 2);
    memcpy (out + n, line.at, line.len);
    n += line.len;
    if (line.at + line.len < end)
      out[n++] = '\n';
  }
  return n;
}
