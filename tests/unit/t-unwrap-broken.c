/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Wrapped files that are cut, damaged, or followed by something else: never taken for whole,
 * and never a wrong byte given out without a refusal.
 */
#include "unwrap-fixture.h"

enum { PLAIN = 3000 };

static struct bytes plain, twice, files[WRAPPINGS], doubles[WRAPPINGS];

static int
setup (void **state)
{
  size_t i;

  (void)state;
  plain = some_bytes (PLAIN);
  twice = joined (some_bytes (PLAIN), plain);
  for (i = 0; i < WRAPPINGS; i++) {
    files[i] = made_by (wrappings[i].command, plain);
    doubles[i] = joined (made_by ("cat", files[i]), files[i]);
  }
  return 0;
}

static int
teardown (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    free (files[i].p);
    free (doubles[i].p);
  }
  free (plain.p);
  free (twice.p);
  return 0;
}

static void
assert_cut (size_t i, struct bytes file, size_t at, const struct unwrap_limits *limits)
{
  struct bytes cut = { file.p, at };
  struct result r = unwrapped (wrappings[i].kind, cut, twice, limits, at + 1, 4096);
  char words[64];

  snprintf (words, sizeof words, "it ends at byte %zu,", at);
  assert_true (r.same);
  if (r.code != ERR_IMAGE_TRUNCATED || strstr (r.text, words) == NULL)
    fail_msg ("%s cut at byte %zu of %zu: %s %s", wrapper_name (wrappings[i].kind), at, file.n,
              error_word (r.code), r.text);
}

static void
cut_at_every_byte (void **state)
{
  size_t i, at;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    for (at = 0; at < doubles[i].n; at++)
      if (at != files[i].n)
        assert_cut (i, doubles[i], at, &usual);
    assert_unwraps (wrappings[i].kind, files[i], plain, 1, 1);
    assert_unwraps (wrappings[i].kind, doubles[i], twice, 1, 1);
  }
}

/* What no check covers (a time, a name, padding bits) may differ; what comes out may not. */
static void
each_byte_spoilt (void **state)
{
  static const uint8_t flips[] = { 0x01, 0x80, 0xff };
  size_t i, at, k, refused = 0;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++)
    for (at = 0; at < files[i].n; at++)
      for (k = 0; k < sizeof flips; k++) {
        struct result r;

        files[i].p[at] ^= flips[k];
        r = unwrapped (wrappings[i].kind, files[i], plain, &usual, PLAIN * 2, 4096);
        files[i].p[at] ^= flips[k];
        if (r.code == ERR_NONE && !r.same)
          fail_msg ("%s: byte %zu ^ %02x was not noticed", wrapper_name (wrappings[i].kind), at,
                    flips[k]);
        if (r.code != ERR_NONE && error_status (r.code) != 5)
          fail_msg ("%s: byte %zu ^ %02x: %s", wrapper_name (wrappings[i].kind), at, flips[k],
                    r.text);
        refused += r.code != ERR_NONE;
      }
  assert_true (refused > 1000);
}

/* The byte that is named is at the damage, or behind it. */
static void
damage_has_a_place (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    const char *at;
    struct result r;

    files[i].p[files[i].n / 2] ^= 0x55;
    r = unwrapped (wrappings[i].kind, files[i], plain, &usual, 1, 4096);
    files[i].p[files[i].n / 2] ^= 0x55;
    assert_int_equal (r.code, ERR_IMAGE_MALFORMED);
    at = strstr (r.text, "damaged at byte ");
    assert_non_null (at);
    assert_true (strtoul (at + 16, NULL, 10) >= files[i].n / 2);
    assert_true (strtoul (at + 16, NULL, 10) <= files[i].n);
  }
}

static void
garbage_behind (void **state)
{
  static uint8_t junk[][4]
      = { "junk", "\n", { 0xfd, '7', 'z', 0 }, "BZh0", { 0x1f, 0x8b, 9 }, "QFI" };
  size_t i, k;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++)
    for (k = 0; k < sizeof junk / sizeof junk[0]; k++) {
      struct bytes more = { junk[k], 4 };
      struct bytes file = joined (made_by ("cat", doubles[i]), more);
      char words[80];

      snprintf (words, sizeof words, "followed by something else, from byte %zu on",
                doubles[i].n);
      assert_refused (wrappings[i].kind, file, twice, ERR_IMAGE_MALFORMED, words);
      free (file.p);
    }
}

static void
zeros_behind (void **state)
{
  static uint8_t zeros[64];
  size_t i, n;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++)
    for (n = 1; n <= 5; n++) {
      struct bytes file = joined (made_by ("cat", files[i]), (struct bytes){ zeros, n });

      if (wrappings[i].kind == WRAPPER_XZ && n == 4)
        assert_unwraps (WRAPPER_XZ, file, plain, 1, 1);
      else
        assert_refused (wrappings[i].kind, file, plain, ERR_IMAGE_MALFORMED,
                        wrappings[i].kind == WRAPPER_XZ ? "multiple of four"
                                                        : "followed by something else");
      free (file.p);
    }
}

#ifdef HAVE_LZMA
static void
xz_streams_with_odd_padding_between (void **state)
{
  struct bytes one = made_by ("xz -c", plain);
  struct bytes file
      = joined (joined (made_by ("cat", one), (struct bytes){ (uint8_t[]){ 0, 0 }, 2 }), one);

  (void)state;
  assert_refused (WRAPPER_XZ, file, plain, ERR_IMAGE_MALFORMED, "multiple of four");
  free (one.p);
  free (file.p);
}

/* With threads the blocks before the damaged one are given out whole. */
static void
xz_blocks_cut_and_spoilt (void **state)
{
  static const struct unwrap_limits threads = { 64 << 20, 64 << 20, 2 };
  struct bytes file = made_by ("xz --block-size=512 -c", plain);
  size_t at;

  (void)state;
  for (at = 0; at < file.n; at += 7) {
    struct bytes cut = { file.p, at };
    struct result r = unwrapped (WRAPPER_XZ, cut, plain, &threads, 100, 4096);

    assert_int_equal (r.code, ERR_IMAGE_TRUNCATED);
    assert_true (r.same);
    file.p[at] ^= 0x10;
    r = unwrapped (WRAPPER_XZ, file, plain, &threads, 100, 4096);
    file.p[at] ^= 0x10;
    assert_int_equal (error_status (r.code), 5);
    if (at > file.n * 9 / 10)
      assert_true (r.given >= 512);
  }
  free (file.p);
}
#endif

static void
another_kind (void **state)
{
  (void)state;
  assert_refused (WRAPPER_ZSTD, plain, plain, ERR_IMAGE_MALFORMED,
                  "byte 0 is not the beginning of zstd data");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (cut_at_every_byte),
    cmocka_unit_test (each_byte_spoilt),
    cmocka_unit_test (damage_has_a_place),
    cmocka_unit_test (garbage_behind),
    cmocka_unit_test (zeros_behind),
#ifdef HAVE_LZMA
    cmocka_unit_test (xz_streams_with_odd_padding_between),
    cmocka_unit_test (xz_blocks_cut_and_spoilt),
#endif
    cmocka_unit_test (another_kind),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
