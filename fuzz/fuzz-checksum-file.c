/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hostile file of checksums, and a hostile gpgv: the first byte says how the rest is read.
 * What is found was said of the name that was looked for, and a clear-signed file says nothing
 * that is not within its block.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "trust/armor.h"
#include "trust/checksum_file.h"
#include "trust/clear_signed.h"
#include "trust/gpgv_status.h"

#define must(x)          \
  do {                   \
    if (!(x))            \
      __builtin_trap (); \
  } while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

/* The digits of C stand in TEXT, in whatever case. */
static int
is_in (const struct checksum *c, struct span text)
{
  char hex[HASH_HEX];
  size_t i, len = strlen (checksum_hex (hex, c));

  for (i = 0; i + len <= text.len; i++)
    if (strncasecmp (text.at + i, hex, len) == 0)
      return 1;
  return 0;
}

static void
read_sums (struct span text)
{
  struct checksums found;
  struct clear_signed within;
  struct error err;
  size_t i;
  int any = 0, rc = checksum_file_read (text, "disk.img", &found, &err);

  if (rc == -1) {
    must (err.text[0] != '\0' && strpbrk (err.text, "\n\r\033") == NULL);
    return;
  }
  if (clear_signed_find (span_without_mark (text), &within, &err) == 1)
    text = within.text;
  for (i = 0; i < HASH_N; i++) {
    any |= found.has[i];
    must (!found.has[i] || found.of[i].algorithm == i);
    /* JSON may write a digit as \u0061 */
    must (!found.has[i] || is_in (&found.of[i], text) || memchr (text.at, '\\', text.len));
  }
  must (any && found.has[checksums_strongest (&found)->algorithm]);
}

static void
read_status (struct span text, int detached)
{
  struct signer signer;
  struct error err;

  if (gpgv_status_read (text, detached != 0, &signer, &err) == 0) {
    must (strlen (signer.fingerprint) >= 40);
    must (strspn (signer.fingerprint, "0123456789ABCDEFabcdef") == strlen (signer.fingerprint));
    must (memmem (text.at, text.len, "GOODSIG", 7) != NULL);
    must (memmem (text.at, text.len, "\n[GNUPG:] BADSIG ", 17) == NULL);
  } else {
    must (err.text[0] != '\0' && strpbrk (err.text, "\n\r\033") == NULL);
  }
}

static void
read_keys (struct span text)
{
  uint8_t *out = malloc (text.len + 1);
  struct error err;
  size_t len;

  if (out != NULL && armor_decode (text, out, &len, &err) == 0)
    must (len <= text.len && (armor_is (text) || len == 0));
  free (out);
}

static void
read_name (struct span text)
{
  char *url = strndup (text.at, text.len), name[CHECKSUM_NAME_MAX];
  struct error err;

  if (url != NULL && checksum_name (url, name, &err) == 0)
    must (name[0] != '\0' && strlen (name) < CHECKSUM_NAME_MAX);
  free (url);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  struct span text = { (const char *)data + 1, n - 1 };

  if (n == 0)
    return 0;
  switch (data[0]) {
  case 's':
  case 'S':
    read_status (text, data[0] == 's');
    break;
  case 'k':
    read_keys (text);
    break;
  case 'u':
    read_name (text);
    break;
  default:
    read_sums (text);
  }
  return 0;
}
