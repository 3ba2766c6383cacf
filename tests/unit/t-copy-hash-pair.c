/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a worker hashes: the bytes of a segment in the order in which they are put, and beside
 * them those of the image, whether the segment's are some of them, or decoded ones elsewhere.
 */
#include "copy/hash_pair.h" /* before cmocka.h */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEN = 1 << 20 };

static uint8_t image[LEN], decoded[LEN];
static struct image_bytes bytes;
static struct digest segment, want_segment;
static struct hash_pair pair;

static int
set_up (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < LEN; i++) {
    image[i] = (uint8_t)(i * 7 ^ i >> 9);
    decoded[i] = (uint8_t)(i * 13 ^ i >> 5);
  }
  digest_init (&segment);
  digest_init (&want_segment);
  return 0;
}

/* It is the turn of the image from FROM on; its hash has what is before. */
static void
begin (enum hash_algorithm algorithm, size_t from)
{
  hash_init (&bytes.hash, algorithm);
  hash_update (&bytes.hash, image, from);
  bytes.at = image + from;
  bytes.end = image + LEN;
  pair_begin (&pair, &segment, &bytes);
}

static void
put (const uint8_t *buf, size_t len)
{
  pair_add (&pair, buf, len);
  digest_update (&want_segment, buf, len);
}

static void
assert_right (void)
{
  uint8_t want[DIGEST_SIZE], is[DIGEST_SIZE];
  struct hash whole;
  struct checksum sum, want_sum;

  digest_peek (&want_segment, want);
  digest_peek (&segment, is);
  assert_memory_equal (is, want, DIGEST_SIZE);
  hash_init (&whole, bytes.hash.algorithm);
  hash_update (&whole, image, LEN);
  hash_peek (&whole, &want_sum);
  hash_peek (&bytes.hash, &sum);
  assert_true (checksum_same (&sum, &want_sum));
  assert_ptr_equal (bytes.at, bytes.end);
}

static void
test_plain_data_with_tables_between (void **state)
{
  (void)state;
  begin (HASH_SHA256, 0);
  put (image + 65536, 131072);
  put (image + 262144, 512);
  put (image + 300000, 600000);
  pair_end (&pair);
  assert_right ();
}

static void
test_plain_data_of_which_some_was_hashed_before (void **state)
{
  (void)state;
  begin (HASH_SHA256, 100001);
  put (image + 65536, 400000);
  put (image, 65536); /* clusters that are shared */
  put (image + 65536, LEN - 65536);
  pair_end (&pair);
  assert_right ();
}

static void
test_decoded_data_more_than_the_image_has (void **state)
{
  size_t at;

  (void)state;
  begin (HASH_SHA256, LEN - 200000);
  for (at = 0; at < LEN; at += 65536)
    put (decoded + at, 65536);
  pair_end (&pair);
  assert_right ();
}

static void
test_pieces_that_are_many_and_small (void **state)
{
  size_t i;

  (void)state;
  begin (HASH_SHA256, 0);
  for (i = 0; i < 300; i++)
    put (decoded + 1024 * i, 512);
  pair_end (&pair);
  assert_right ();
}

static void
test_a_checksum_of_another_kind (void **state)
{
  (void)state;
  begin (HASH_SHA512, 0);
  put (image + 65536, 131072);
  put (decoded, 131072);
  pair_end (&pair);
  assert_right ();
}

static void
test_what_may_be_overwritten_was_hashed (void **state)
{
  (void)state;
  begin (HASH_SHA256, 0);
  put (decoded, 4096);
  pair_flush (&pair);
  memset (decoded, 0, 4096);
  put (decoded, 4096);
  pair_end (&pair);
  assert_right ();
}

static void
test_no_digest_of_the_segment_is_asked_for (void **state)
{
  (void)state;
  begin (HASH_SHA256, 0);
  pair_begin (&pair, NULL, &bytes);
  pair_add (&pair, decoded, LEN);
  pair_end (&pair);
  assert_right ();
}

#define TEST(name) cmocka_unit_test_setup (name, set_up)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_plain_data_with_tables_between),
    TEST (test_plain_data_of_which_some_was_hashed_before),
    TEST (test_decoded_data_more_than_the_image_has),
    TEST (test_pieces_that_are_many_and_small),
    TEST (test_a_checksum_of_another_kind),
    TEST (test_what_may_be_overwritten_was_hashed),
    TEST (test_no_digest_of_the_segment_is_asked_for),
  };

  return cmocka_run_group_tests_name ("hash_pair", tests, NULL, NULL);
}
