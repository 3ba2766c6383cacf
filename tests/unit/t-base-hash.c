/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * base/hash: the digests are those that everyone else computes, and a state that was stored at
 * any byte goes on as if nothing had been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/hash.h"

struct vector {
  enum hash_algorithm algorithm;
  const char *text, *hex;
};

/* Of RFC 1321 and FIPS 180-4. */
static const struct vector vectors[] = {
  { HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
  { HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
  { HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
  { HASH_SHA224, "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
  { HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  { HASH_SHA384, "abc",
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7" },
  { HASH_SHA512, "abc",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
  { HASH_SHA512, "",
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
};

static void
digests_are_those_of_the_standards (void **state)
{
  char hex[HASH_HEX];
  struct checksum c;
  struct hash h;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    hash_init (&h, vectors[i].algorithm);
    hash_update (&h, vectors[i].text, strlen (vectors[i].text));
    hash_peek (&h, &c);
    assert_string_equal (checksum_hex (hex, &c), vectors[i].hex);
    assert_int_equal (hash_count (&h), strlen (vectors[i].text));
  }
}

static void
fill (uint8_t *buf, size_t len)
{
  size_t i;

  for (i = 0; i < len; i++)
    buf[i] = (uint8_t)(i * 7 + i / 251);
}

/* Stored and taken up again after CUT bytes. */
static void
cut_at (enum hash_algorithm a, const uint8_t *buf, size_t len, size_t cut,
        const struct checksum *want)
{
  uint8_t state[HASH_STATE_MAX];
  struct hash before, after;
  struct checksum got;
  size_t n;

  hash_init (&before, a);
  hash_update (&before, buf, cut);
  n = hash_save (&before, state);
  assert_true (n <= HASH_STATE_MAX);
  assert_true (hash_load (&after, a, state, n));
  assert_int_equal (hash_count (&after), cut);
  hash_update (&after, buf + cut, len - cut);
  hash_peek (&after, &got);
  assert_true (checksum_same (&got, want));
}

static void
a_state_stored_at_any_byte_goes_on (void **state)
{
  uint8_t buf[300];
  struct checksum want;
  struct hash whole;
  size_t a, cut;

  (void)state;
  fill (buf, sizeof buf);
  for (a = 0; a < HASH_N; a++) {
    hash_init (&whole, (enum hash_algorithm)a);
    hash_update (&whole, buf, sizeof buf);
    hash_peek (&whole, &want);
    for (cut = 0; cut <= sizeof buf; cut++)
      cut_at ((enum hash_algorithm)a, buf, sizeof buf, cut, &want);
  }
}

static void
a_state_of_sha256_is_what_journals_hold (void **state)
{
  uint8_t buf[100], old[DIGEST_STATE_MAX], now[HASH_STATE_MAX];
  struct digest d;
  struct hash h;
  size_t n;

  (void)state;
  fill (buf, sizeof buf);
  digest_init (&d);
  digest_update (&d, buf, sizeof buf);
  hash_init (&h, HASH_SHA256);
  hash_update (&h, buf, sizeof buf);
  n = digest_save (&d, old);
  assert_int_equal (hash_save (&h, now), n);
  assert_memory_equal (old, now, n);
}

/* As nettle has it, byte after byte. */
static void
reference (const uint8_t *buf, size_t len, uint8_t out[DIGEST_SIZE])
{
  struct sha256_ctx ctx;
  size_t i;

  sha256_init (&ctx);
  for (i = 0; i < len; i++)
    sha256_update (&ctx, 1, buf + i);
  sha256_digest (&ctx, DIGEST_SIZE, out);
}

static void
assert_digest (const struct digest *d, const uint8_t *buf, size_t len)
{
  uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];

  reference (buf, len, want);
  digest_peek (d, got);
  assert_int_equal (digest_count (d), len);
  assert_memory_equal (got, want, sizeof got);
}

static void
pieces_of_any_length_make_the_same_digest (void **state)
{
  uint8_t buf[1500];
  struct digest d;
  size_t first, second;

  (void)state;
  fill (buf, sizeof buf);
  for (first = 0; first <= 200; first++)
    for (second = 0; second <= 200; second += 1 + second / 9) {
      digest_init (&d);
      digest_update (&d, buf, first);
      digest_update (&d, buf + first, second);
      digest_update (&d, buf + first + second, 1000);
      assert_digest (&d, buf, first + second + 1000);
    }
}

/* A begins A_HAS bytes before, B B_HAS; then B's bytes are A's, or others. */
static void
two_at_once (size_t a_has, size_t a_len, size_t b_has, size_t b_len, size_t apart)
{
  uint8_t buf[1500], other[1500];
  struct digest a, b;

  fill (buf, sizeof buf);
  memcpy (other, buf + a_has + apart - b_has, b_has + b_len);
  digest_init (&a);
  digest_init (&b);
  digest_update (&a, buf, a_has);
  digest_update (&b, other, b_has);
  digest_update_two (&a, buf + a_has, a_len, &b, buf + a_has + apart, b_len);
  assert_digest (&a, buf, a_has + a_len);
  assert_digest (&b, other, b_has + b_len);
}

static void
two_digests_at_once_are_those_of_each_alone (void **state)
{
  static const size_t len[] = { 0, 1, 63, 64, 65, 127, 128, 129, 256, 700 };
  static const size_t has[] = { 0, 1, 63, 64, 100 };
  size_t i, j, n = sizeof len / sizeof *len, m = sizeof has / sizeof *has;

  (void)state;
  for (i = 0; i < n * m; i++)
    for (j = 0; j < n * m; j++)
      if (has[j / n] <= has[i / n]) {
        two_at_once (has[i / n], len[i % n], has[j / n], len[j % n], 0);
        two_at_once (has[i / n], len[i % n], has[j / n], len[j % n], 192);
      }
}

static void
what_is_no_state_is_refused (void **state)
{
  uint8_t bytes[HASH_STATE_MAX + 1] = { 0 };
  struct hash h;
  size_t a;

  (void)state;
  for (a = 0; a < HASH_N; a++) {
    assert_false (hash_load (&h, (enum hash_algorithm)a, bytes, 0));
    assert_false (hash_load (&h, (enum hash_algorithm)a, bytes, 23));
    assert_false (hash_load (&h, (enum hash_algorithm)a, bytes, sizeof bytes));
  }
  /* its count says that more of a block is there, or less */
  assert_false (hash_load (&h, HASH_SHA512, bytes, 73));
  bytes[71] = 5;
  assert_false (hash_load (&h, HASH_SHA512, bytes, 72));
  assert_true (hash_load (&h, HASH_SHA512, bytes, 77));
}

static void
algorithms_are_known_by_name_and_length (void **state)
{
  enum hash_algorithm a;

  (void)state;
  assert_true (hash_by_name ("SHA-512", 7, &a) && a == HASH_SHA512);
  assert_true (hash_by_name ("sha1", 4, &a) && a == HASH_SHA1);
  assert_true (hash_by_name ("MD5xyz", 3, &a) && a == HASH_MD5);
  assert_false (hash_by_name ("SHA3-512", 8, &a));
  assert_false (hash_by_name ("SHA-512/256", 11, &a));
  assert_false (hash_by_name ("WHIRLPOOL", 9, &a));
  assert_false (hash_by_name ("", 0, &a));
  assert_true (hash_by_digits (96, &a) && a == HASH_SHA384);
  assert_false (hash_by_digits (95, &a));
  assert_true (hash_is_weak (HASH_MD5) && hash_is_weak (HASH_SHA1));
  assert_false (hash_is_weak (HASH_SHA224));
}

static void
checksums_are_written_as_they_are_read (void **state)
{
  static const char sha1[] = "sha1:a9993e364706816aba3e25717850c26c9cd0d89d";
  static const char sha256[]
      = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  char text[HASH_TEXT], prefixed[80];
  struct checksum c;

  (void)state;
  assert_true (checksum_from_text (&c, sha1));
  assert_string_equal (checksum_text (text, &c), sha1);
  assert_true (checksum_from_text (&c, sha256));
  assert_string_equal (checksum_text (text, &c), sha256);
  snprintf (prefixed, sizeof prefixed, "SHA256:%s", sha256);
  assert_true (checksum_from_text (&c, prefixed));
  assert_string_equal (checksum_text (text, &c), sha256);
  assert_false (checksum_from_text (&c, "sha256:"));
  assert_false (checksum_from_text (&c, sha1 + 5));
  assert_false (checksum_from_text (&c, "crc32:00000000"));
  prefixed[20] = 'x';
  assert_false (checksum_from_text (&c, prefixed));
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (digests_are_those_of_the_standards),
    cmocka_unit_test (a_state_stored_at_any_byte_goes_on),
    cmocka_unit_test (a_state_of_sha256_is_what_journals_hold),
    cmocka_unit_test (pieces_of_any_length_make_the_same_digest),
    cmocka_unit_test (two_digests_at_once_are_those_of_each_alone),
    cmocka_unit_test (what_is_no_state_is_refused),
    cmocka_unit_test (algorithms_are_known_by_name_and_length),
    cmocka_unit_test (checksums_are_written_as_they_are_read),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
