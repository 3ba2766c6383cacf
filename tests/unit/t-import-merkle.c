/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The root digest: the same for the same bytes however they were handed in, and what a second,
 * simpler way of computing it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "verify/merkle.h"

/* SHA-256 (MARK || A || B), B may be of no bytes. */
static void
hash (uint8_t out[DIGEST_SIZE], uint8_t mark, const void *a, size_t a_len, const void *b,
      size_t b_len)
{
  struct digest d;

  digest_init (&d);
  digest_update (&d, &mark, 1);
  digest_update (&d, a, a_len);
  digest_update (&d, b, b_len);
  digest_peek (&d, out);
}

/* As the words say it: level by level, an odd one goes up as it is. */
static void
root_by_levels (uint8_t out[DIGEST_SIZE], uint8_t (*level)[DIGEST_SIZE], size_t n)
{
  size_t i;

  while (n > 1) {
    for (i = 0; i + 1 < n; i += 2)
      hash (level[i / 2], 1, level[i], DIGEST_SIZE, level[i + 1], DIGEST_SIZE);
    if (n % 2 == 1)
      memcpy (level[n / 2], level[n - 1], DIGEST_SIZE);
    n = (n + 1) / 2;
  }
  memcpy (out, level[0], DIGEST_SIZE);
}

static void
leaf_number (uint8_t out[DIGEST_SIZE], size_t i)
{
  hash (out, 0, &i, sizeof i, "", 0);
}

static void
every_count_of_leaves_has_the_root_of_its_levels (void **state)
{
  uint8_t level[70][DIGEST_SIZE], want[DIGEST_SIZE], got[DIGEST_SIZE];
  struct merkle m;
  size_t n, i;

  (void)state;
  for (n = 1; n <= 70; n++) {
    merkle_init (&m);
    for (i = 0; i < n; i++) {
      leaf_number (level[i], i);
      merkle_add (&m, level[i]);
    }
    merkle_root (&m, got);
    root_by_levels (want, level, n);
    assert_memory_equal (got, want, DIGEST_SIZE);
  }
}

static void
leaves_of_zeros_are_leaves_like_others (void **state)
{
  uint8_t zero[DIGEST_SIZE], other[DIGEST_SIZE], want[DIGEST_SIZE], got[DIGEST_SIZE];
  uint8_t *buf = calloc (1, MERKLE_LEAF);
  uint64_t before, zeros, after, i;
  struct merkle one, many;

  (void)state;
  assert_non_null (buf);
  merkle_leaf (zero, buf, MERKLE_LEAF);
  free (buf);
  leaf_number (other, 7);
  for (before = 0; before < 9; before++)
    for (zeros = 0; zeros < 35; zeros++)
      for (after = 0; after < 2; after++) {
        merkle_init (&one);
        merkle_init (&many);
        for (i = 0; i < before; i++) {
          merkle_add (&one, other);
          merkle_add (&many, other);
        }
        for (i = 0; i < zeros; i++)
          merkle_add (&one, zero);
        merkle_zeros (&many, zeros);
        for (i = 0; i < after; i++) {
          merkle_add (&one, other);
          merkle_add (&many, other);
        }
        assert_int_equal (one.leaves, many.leaves);
        merkle_root (&one, want);
        merkle_root (&many, got);
        assert_memory_equal (got, want, DIGEST_SIZE);
      }
}

static void
a_leaf_of_zeros_needs_no_buffer (void **state)
{
  static const uint8_t zeros[1000];
  uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];

  (void)state;
  merkle_leaf (a, zeros, sizeof zeros);
  merkle_leaf (b, NULL, sizeof zeros);
  assert_memory_equal (a, b, DIGEST_SIZE);
}

static void
a_leaf_is_no_node (void **state)
{
  uint8_t two[2][DIGEST_SIZE], root[DIGEST_SIZE], leaf[DIGEST_SIZE];
  struct merkle m;

  (void)state;
  merkle_init (&m);
  leaf_number (two[0], 1);
  leaf_number (two[1], 2);
  merkle_add (&m, two[0]);
  merkle_add (&m, two[1]);
  merkle_root (&m, root);
  merkle_leaf (leaf, two[0], sizeof two);
  assert_memory_not_equal (root, leaf, DIGEST_SIZE);
}

static void
known_roots_never_change (void **state)
{
  /* doc/examples/root-digest.py says the same of an empty file, and of `truncate -s 64T` by
   * arithmetic; what has been written down by auditors must stay true. */
  static const struct {
    uint64_t zeros;
    const char *root;
  } known[] = {
    { 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { 1, "2cb74edba754a81d121c9db6833704a8e7d417e5b13d1a19f4a52f007d644264" },
    { 3, "19073ad5b42135edb9b7aef258823043a620cfd3eb562ee4bb7a7a4a326cf1cf" },
    { UINT64_C (64) << 20, /* of 64 TiB */
      "66e2bc2a59f466557ef044ec3a85b463f56e8b9f7481a5d2e723e77a4c1adcdf" },
  };
  char hex[DIGEST_HEX];
  uint8_t root[DIGEST_SIZE];
  struct merkle m;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof known / sizeof known[0]; i++) {
    merkle_init (&m);
    merkle_zeros (&m, known[i].zeros);
    merkle_root (&m, root);
    assert_string_equal (digest_hex (hex, root), known[i].root);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_count_of_leaves_has_the_root_of_its_levels),
    cmocka_unit_test (leaves_of_zeros_are_leaves_like_others),
    cmocka_unit_test (a_leaf_of_zeros_needs_no_buffer),
    cmocka_unit_test (a_leaf_is_no_node),
    cmocka_unit_test (known_roots_never_change),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
