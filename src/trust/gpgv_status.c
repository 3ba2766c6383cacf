/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gpgv_status: see gpgv_status.h, and doc/DETAILS of GnuPG.
 */
#include "trust/gpgv_status.h"

#include <ctype.h>
#include <stdio.h>

#include "base/text.h"

/* What was said about the signatures so far. */
struct verdict {
  bool good; /* of the signature that is told of now */
  bool signed_once, bad;
  unsigned texts;   /* that came with a signature */
  const char *flaw; /* of a signature that does not count */
  char key[64];     /* whose */
  struct signer *signer;
};

static struct span
field (struct span *rest)
{
  struct span word;

  *rest = span_from (*rest, span_blanks (*rest));
  word = (struct span){ rest->at, span_word (*rest) };
  *rest = span_from (*rest, word.len);
  return word;
}

static void
flawed (struct verdict *v, const char *flaw, struct span key)
{
  v->good = false;
  if (v->bad && v->flaw != NULL) /* there is nothing worse */
    return;
  v->flaw = flaw;
  escape_text (v->key, sizeof v->key, key.at, key.len);
}

static bool
is_fingerprint (struct span word)
{
  size_t i;

  for (i = 0; i < word.len; i++)
    if (!isxdigit ((unsigned char)word.at[i]))
      return false;
  return word.len >= 40 && word.len < FINGERPRINT_MAX;
}

/* VALIDSIG FINGERPRINT ... PRIMARY-FINGERPRINT (the tenth); it comes after the verdict. */
static void
valid (struct verdict *v, struct span args)
{
  struct span key = field (&args), primary = key;
  int i;

  for (i = 2; i <= 10; i++)
    primary = field (&args);
  if (!is_fingerprint (primary))
    primary = key;
  if (!v->good || v->signed_once || !is_fingerprint (primary))
    return;
  v->signed_once = true;
  snprintf (v->signer->fingerprint, sizeof v->signer->fingerprint, "%.*s", (int)primary.len,
            primary.at);
}

static void
take_line (struct verdict *v, struct span line)
{
  static const struct {
    const char *word, *flaw; /* before the key */
  } flaws[] = {
    { "EXPKEYSIG", "was made by a key that has expired" },
    { "REVKEYSIG", "was made by a key that was revoked" },
    { "EXPSIG", "has expired; it was made by the key" },
    { "ERRSIG", "cannot be checked; it was made by the key" },
    { "NO_PUBKEY", "was made by a key that the keyring does not have" },
    { "BADSIG", "is of other bytes; it was made by the key" },
  };
  struct span word = field (&line);
  size_t i;

  if (!span_is (word, "[GNUPG:]"))
    return;
  word = field (&line);
  if (span_is (word, "NEWSIG"))
    v->good = false;
  else if (span_is (word, "GOODSIG"))
    v->good = true;
#ifdef SEEDED_BUG_EXPIRED_KEY_COUNTS
  else if (span_is (word, "EXPKEYSIG")) {
    v->good = true;
    return;
  }
#endif
  else if (span_is (word, "VALIDSIG"))
    valid (v, line);
  else if (span_is (word, "PLAINTEXT"))
    v->texts++;
  for (i = 0; i < sizeof flaws / sizeof *flaws; i++)
    if (span_is (word, flaws[i].word))
      flawed (v, flaws[i].flaw, field (&line));
  v->bad = v->bad || span_is (word, "BADSIG");
}

int
gpgv_status_read (struct span status, bool detached, struct signer *out, struct error *err)
{
  struct verdict v = { .signer = out };
  struct span line;

  memset (out, 0, sizeof *out);
  while (span_line (&status, &line))
    take_line (&v, line);
  if (v.signed_once && !v.bad && v.texts == !detached)
    return 0;
  memset (out, 0, sizeof *out);
  if (v.signed_once && !v.bad)
    return fail (err, ERR_SOURCE_SIGNATURE, "its signature is of another text");
  if (v.flaw == NULL)
    return fail (err, ERR_SOURCE_SIGNATURE, "has no OpenPGP signature that gpgv can read");
  return fail (err, ERR_SOURCE_SIGNATURE, "its signature %s: %s", v.flaw, v.key);
}
