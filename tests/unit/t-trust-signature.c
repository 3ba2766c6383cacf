/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust/signature: what a key of the keyring signed is signed, by whom is told, and nothing
 * else is signed.  The keys were made for this test, on a day that is past everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* before cmocka, which has a macro of the name fail */
#include "trust/armor.h"
#include "trust/clear_signed.h"
#include "trust/signature.h"

#include <cmocka.h>

#define SIGNER "E33A7223C30C6B6A0EF554D8E72D56D37767E951"

static const char key[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
                          "\n"
                          "mDMEZZN9JRYJKwYBBAHaRw8BAQdA//zui1tsyMWDIL38YyCOt+hGJI/fuWys+sLq\n"
                          "3+RtTRy0HlB1Ymxpc2hlciA8aW1hZ2VzQGV4YW1wbGUub3JnPoiQBBMWCAA4FiEE\n"
                          "4zpyI8MMa2oO9VTY5y1W03dn6VEFAmWTfSUCGwMFCwkIBwIGFQoJCAsCBBYCAwEC\n"
                          "HgECF4AACgkQ5y1W03dn6VHOzAD/Wrm5vs1ramyIQsHvXtKtHSB6rmPdnBwHbIZN\n"
                          "pFTlMwcBAN6epRpEZIQdtacuGyk7KaP1fN233a6dEJrIj+dSUPgD\n"
                          "=d2an\n"
                          "-----END PGP PUBLIC KEY BLOCK-----\n";

static const char data[] = "SHA256 (disk.img) = aaaa\n- dashed\n";

static const char detached[]
    = "-----BEGIN PGP SIGNATURE-----\n"
      "\n"
      "iHUEABYIAB0WIQTjOnIjwwxrag71VNjnLVbTd2fpUQUCZZN9JQAKCRDnLVbTd2fp\n"
      "UUjOAP4+GH45jmWNNbUQOqmtz+WL21fgiEUBa36bNsy4d3Yk9QD/axy2MHinRXBd\n"
      "10b4xwIUQSyQLqP+8qCsabVVdbDszgU=\n"
      "=ec43\n"
      "-----END PGP SIGNATURE-----\n";

static const char clear[] = "-----BEGIN PGP SIGNED MESSAGE-----\n"
                            "Hash: SHA256\n"
                            "\n"
                            "SHA256 (disk.img) = aaaa\n"
                            "- - dashed\n"
                            "-----BEGIN PGP SIGNATURE-----\n"
                            "\n"
                            "iHUEARYIAB0WIQTjOnIjwwxrag71VNjnLVbTd2fpUQUCZZN9JQAKCRDnLVbTd2fp\n"
                            "URsgAP4xh1PNNqLt2lo1hjBr6qFGXivOmNts4YBdkt3DJh9Y3wEA/Q+RZBq1WLyQ\n"
                            "A9YcqN9aPIW8zboSmMTvQCbW1909/gM=\n"
                            "=uiKw\n"
                            "-----END PGP SIGNATURE-----\n";

static struct span
text_of (const char *text)
{
  return (struct span){ text, strlen (text) };
}

struct fixture {
  char armored[64], binary[64], empty[64], other[64];
};

static void
write_file (char path[64], const void *bytes, size_t len)
{
  int fd;

  snprintf (path, 64, "/tmp/t-trust-signature.XXXXXX");
  fd = mkstemp (path);
  assert_true (fd != -1);
  assert_int_equal (write (fd, bytes, len), len);
  close (fd);
}

static int
set_up (void **state)
{
  static struct fixture f;
  uint8_t bytes[sizeof key];
  struct error err;
  size_t len;

  assert_int_equal (armor_decode (text_of (key), bytes, &len, &err), 0);
  write_file (f.armored, key, sizeof key - 1);
  write_file (f.binary, bytes, len);
  write_file (f.empty, "", 0);
  bytes[len - 4] ^= 1; /* in the key's signature of itself */
  write_file (f.other, bytes, len);
  *state = &f;
  return 0;
}

static int
tear_down (void **state)
{
  struct fixture *f = *state;

  unlink (f->armored);
  unlink (f->binary);
  unlink (f->empty);
  unlink (f->other);
  return 0;
}

static bool
gpgv_is_here (void)
{
  return system ("command -v gpgv >/dev/null") == 0;
}

/* The signer of BYTES, or "" with the reason in ERR. */
static const char *
signer_of (const char *keyring, const char *signature, struct span bytes, struct error *err)
{
  static struct signer s;
  struct span sig = text_of (signature);
  OWN (signature_check) c = NULL;
  size_t i;

  s.fingerprint[0] = '\0';
  if (signature_begin (&c, keyring, &sig, err) == -1)
    return "";
  for (i = 0; i < bytes.len; i++) /* a byte at a time is a stream too */
    assert_int_equal (signature_write (c, bytes.at + i, 1, err), 0);
  return signature_end (c, &s, err) == 0 ? s.fingerprint : "";
}

static void
a_detached_signature_names_its_key (void **state)
{
  struct fixture *f = *state;
  struct error err;

  if (!gpgv_is_here ())
    skip ();
  assert_string_equal (signer_of (f->armored, detached, text_of (data), &err), SIGNER);
  assert_string_equal (signer_of (f->binary, detached, text_of (data), &err), SIGNER);
}

static void
other_bytes_are_not_signed (void **state)
{
  struct fixture *f = *state;
  struct error err;

  if (!gpgv_is_here ())
    skip ();
  assert_string_equal (signer_of (f->armored, detached, text_of ("SHA256"), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
  assert_non_null (strstr (err.text, "other bytes"));
  assert_string_equal (signer_of (f->armored, "no signature", text_of (data), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
  assert_string_equal (signer_of (f->armored, "", text_of (data), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
}

static void
a_clear_signed_block_gives_its_text (void **state)
{
  struct fixture *f = *state;
  OWN (signature_check) c = NULL;
  OWN_MEM char *text = NULL;
  struct clear_signed block;
  struct signer signer;
  struct error err;
  char plain[sizeof clear];
  size_t len;

  if (!gpgv_is_here ())
    skip ();
  assert_int_equal (signature_begin (&c, f->armored, NULL, &err), 0);
  assert_int_equal (signature_write (c, clear, sizeof clear - 1, &err), 0);
  assert_int_equal (signature_end (c, &signer, &err), 0);
  assert_string_equal (signer.fingerprint, SIGNER);
  assert_int_equal (signature_text (c, &text, &len, &err), 0);
  assert_string_equal (text, data);
  /* and so do we read it */
  assert_int_equal (clear_signed_find (text_of (clear), &block, &err), 1);
  assert_int_equal (clear_signed_plain (block.text, plain), len);
  assert_memory_equal (plain, text, len);
}

static void
what_is_no_keyring_is_wrong_usage (void **state)
{
  struct fixture *f = *state;
  struct error err;

  assert_string_equal (signer_of ("/nonexistent/ring", detached, text_of (data), &err), "");
  assert_int_equal (err.code, ERR_USAGE);
  assert_string_equal (signer_of (f->empty, detached, text_of (data), &err), "");
  assert_int_equal (err.code, ERR_USAGE);
  assert_string_equal (signer_of ("/tmp", detached, text_of (data), &err), "");
  assert_int_equal (err.code, ERR_USAGE);
  if (!gpgv_is_here ())
    skip ();
  assert_string_equal (signer_of (f->other, detached, text_of (data), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
}

static void
without_gpgv_it_says_so (void **state)
{
  struct fixture *f = *state;
  OWN_MEM char *path = strdup (getenv ("PATH"));
  struct error err;

  setenv ("PATH", "/nonexistent", 1);
  assert_string_equal (signer_of (f->armored, detached, text_of (data), &err), "");
  setenv ("PATH", path, 1);
  assert_int_equal (err.code, ERR_USAGE);
  assert_non_null (strstr (err.text, "install"));
}

#define FPR "0123456789ABCDEF0123456789ABCDEF01234567"
#define PRIMARY "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define VALID "[GNUPG:] VALIDSIG " FPR " 2024-01-02 1 0 4 0 22 8 00 " PRIMARY "\n"

struct said {
  const char *status, *signer, *why;
};

static void
status_lines_decide (void **state)
{
  static const struct said said[] = {
    { "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 89AB Name\n" VALID, PRIMARY, NULL },
    { "[GNUPG:] GOODSIG 89AB Name\n[GNUPG:] VALIDSIG " FPR " 2024-01-02\n", FPR, NULL },
    { "[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG 89AB Name\n" VALID, "", "expired: 89AB" },
    { "[GNUPG:] NEWSIG\n[GNUPG:] REVKEYSIG 89AB Name\n" VALID, "", "revoked: 89AB" },
    { "[GNUPG:] NEWSIG\n[GNUPG:] EXPSIG 89AB Name\n" VALID, "", "has expired" },
    { "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 89AB Name\n", "", "other bytes" },
    { "[GNUPG:] ERRSIG 89AB 1 2\n[GNUPG:] NO_PUBKEY 89AB\n", "", "does not have: 89AB" },
    /* of two one is of a key that is not known: that of the other counts */
    { "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 01\n[GNUPG:] NO_PUBKEY 01\n[GNUPG:] NEWSIG\n"
      "[GNUPG:] GOODSIG 89AB Name\n" VALID,
      PRIMARY, NULL },
    { "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 89AB Name\n" VALID
      "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 01 Name\n",
      "", "other bytes" },
    /* a good word is about one signature only */
    { "[GNUPG:] GOODSIG 89AB Name\n[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG 01 N\n" VALID, "",
      "expired" },
    { VALID, "", "no OpenPGP signature" },
    { "[GNUPG:] GOODSIG 89AB Name\n", "", "no OpenPGP signature" },
    { "[GNUPG:] GOODSIG 89AB Name\n[GNUPG:] VALIDSIG 0123\n", "", "no OpenPGP signature" },
    { "GOODSIG 89AB\nVALIDSIG " FPR "\n", "", "no OpenPGP signature" },
    { "[GNUPG:] NODATA 4\n", "", "no OpenPGP signature" },
    { "", "", "no OpenPGP signature" },
  };
  struct signer signer;
  struct error err;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof said / sizeof *said; i++) {
    int rc = gpgv_status_read (text_of (said[i].status), true, &signer, &err);

    assert_string_equal (signer.fingerprint, said[i].signer);
    assert_int_equal (rc, said[i].why == NULL ? 0 : -1);
    if (said[i].why != NULL && strstr (err.text, said[i].why) == NULL)
      fail_msg ("%s: does not say \"%s\"", err.text, said[i].why);
  }
}

static void
a_signature_is_of_the_bytes_it_came_for (void **state)
{
  static const char text[] = "[GNUPG:] PLAINTEXT 74 0\n[GNUPG:] GOODSIG 89AB N\n" VALID;
  static const char two[] = "[GNUPG:] PLAINTEXT 74 0\n[GNUPG:] PLAINTEXT 74 0\n"
                            "[GNUPG:] GOODSIG 89AB N\n" VALID;
  struct fixture *f = *state;
  struct signer signer;
  struct error err;

  assert_int_equal (gpgv_status_read (text_of (text), false, &signer, &err), 0);
  assert_int_equal (gpgv_status_read (text_of (text), true, &signer, &err), -1);
  assert_int_equal (gpgv_status_read (text_of (two), false, &signer, &err), -1);
  assert_int_equal (gpgv_status_read (text_of (text + 24), false, &signer, &err), -1);
  assert_string_equal (signer.fingerprint, "");
  if (!gpgv_is_here ())
    skip ();
  /* a clear-signed text is no signature of something else, and an empty one is none at all */
  assert_string_equal (signer_of (f->armored, clear, text_of (data), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
  assert_string_equal (signer_of (f->armored, "", text_of (clear), &err), "");
  assert_int_equal (err.code, ERR_SOURCE_SIGNATURE);
}

static void
damaged_armor_is_refused (void **state)
{
  char text[2 * sizeof key];
  uint8_t out[2 * sizeof key];
  struct error err;
  size_t len, once, i;

  (void)state;
  assert_int_equal (armor_decode (text_of (key), out, &once, &err), 0);
  assert_true (once > 200);
  snprintf (text, sizeof text, "%s%s", key, key);
  assert_int_equal (armor_decode (text_of (text), out, &len, &err), 0);
  assert_int_equal (len, 2 * once);
  for (i = 40; i < sizeof key - 42; i += 7) {
    memcpy (text, key, sizeof key);
    text[i] = text[i] == 'A' ? 'B' : 'A';
    if (key[i] != '\n' && i > 40)
      assert_int_equal (armor_decode (text_of (text), out, &len, &err), -1);
    text[i] = '\0';
    assert_true (armor_is (text_of (key)));
    armor_decode ((struct span){ text, sizeof key - 1 }, out, &len, &err);
    armor_decode ((struct span){ key, i }, out, &len, &err);
  }
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_detached_signature_names_its_key),
    cmocka_unit_test (other_bytes_are_not_signed),
    cmocka_unit_test (a_clear_signed_block_gives_its_text),
    cmocka_unit_test (what_is_no_keyring_is_wrong_usage),
    cmocka_unit_test (without_gpgv_it_says_so),
    cmocka_unit_test (status_lines_decide),
    cmocka_unit_test (a_signature_is_of_the_bytes_it_came_for),
    cmocka_unit_test (damaged_armor_is_refused),
  };

  return cmocka_run_group_tests (tests, set_up, tear_down);
}
