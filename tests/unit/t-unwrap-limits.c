/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory: what a file asks for is bounded by what the caller allows, and the refusal names the
 * --memory with which it is read; a bomb takes no more than its window.
 */
#include "unwrap-fixture.h"

#include <sys/resource.h>

enum { PLAIN = 100000, MIB = 1 << 20 };

static struct bytes plain;

static int
setup (void **state)
{
  (void)state;
  plain = some_bytes (PLAIN);
  return 0;
}

static int
teardown (void **state)
{
  (void)state;
  free (plain.p);
  return 0;
}

/* It is refused below NEED MiB, which are named, and read with just those. */
static void
check_window (enum wrapper kind, const char *command, unsigned need, unsigned threads)
{
  struct unwrap_limits less = { (uint64_t)need * MIB - 8192, 4 * MIB, threads };
  struct unwrap_limits enough = { (uint64_t)need * MIB, 4 * MIB, threads };
  struct bytes file = made_by (command, plain);
  struct result r = unwrapped (kind, file, plain, &less, 65536, 65536);
  char words[64];

  snprintf (words, sizeof words, "--memory %uM", need);
  assert_int_equal (r.code, ERR_IMAGE_TOO_LARGE);
  if (strstr (r.text, words) == NULL)
    fail_msg ("%s: want %s: %s", command, words, r.text);
  r = unwrapped (kind, file, plain, &enough, 65536, 65536);
  if (r.code != ERR_NONE)
    fail_msg ("%s with %s: %s", command, words, r.text);
  assert_true (r.same);
  free (file.p);
}

static void
windows_of_zstd (void **state)
{
  (void)state;
  check_window (WRAPPER_ZSTD, "zstd -q -c --long=25 --no-content-size -T1 --zstd=wlog=25", 32,
                1);
  check_window (WRAPPER_ZSTD, "cat | zstd -q -c --long=27", 128, 1);
  check_window (WRAPPER_ZSTD, "cat | zstd -q -c --long=28", 256, 1);
}

static void
the_longest_window_of_zstd (void **state)
{
  struct unwrap_limits all = { UINT64_MAX, 0, 1 };
  struct bytes file;
  struct result r;

  (void)state;
  if (sizeof (void *) < 8)
    skip ();
  file = made_by ("cat | zstd -q -c --long=31", plain);
  r = unwrapped (WRAPPER_ZSTD, file, plain, &usual, 65536, 65536);
  assert_int_equal (r.code, ERR_IMAGE_TOO_LARGE);
  assert_non_null (strstr (r.text, "--memory 2048M"));
  r = unwrapped (WRAPPER_ZSTD, file, plain, &all, 65536, 65536);
  assert_int_equal (r.code, ERR_NONE);
  file.p[5] |= 7; /* the window's eighths: more than 2 GiB */
  r = unwrapped (WRAPPER_ZSTD, file, plain, &all, 65536, 65536);
  assert_int_equal (r.code, ERR_IMAGE_TOO_LARGE);
  assert_null (strstr (r.text, "--memory"));
  free (file.p);
}

#ifdef HAVE_LZMA
static void
windows_of_xz (void **state)
{
  unsigned threads;

  (void)state;
  for (threads = 1; threads <= 2; threads++) {
    check_window (WRAPPER_XZ, "xz -c -6", 8, threads);
    check_window (WRAPPER_XZ, "xz -c -9", 64, threads);
    check_window (WRAPPER_XZ, "xz -c --lzma2=dict=96MiB,mf=hc3", 96, threads);
    check_window (WRAPPER_XZ, "xz -c --x86 --lzma2=dict=48MiB,mf=hc3", 48, threads);
  }
}
#endif

static void
a_dictionary_is_refused (void **state)
{
  static const uint8_t head[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x00, 0x77, 1, 0, 0 };
  struct bytes file = { (uint8_t *)head, sizeof head };

  (void)state;
  assert_refused (WRAPPER_ZSTD, file, plain, ERR_IMAGE_UNSUPPORTED, "dictionary");
}

static long
resident_kib (void)
{
  struct rusage used;

  getrusage (RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

/* FILE so many times over, as one file. */
static void
explode (struct unwrap *u, struct bytes file, unsigned times)
{
  static uint8_t out[MIB];
  struct error err;

  while (times-- > 0) {
    struct unwrap_io io = { file.p, file.n, NULL, 0 };
    int rc;

    do {
      io.out = out;
      io.out_len = sizeof out;
      rc = unwrap_push (u, &io, times == 0, &err);
    } while (rc == 1 && (io.in_len > 0 || io.out_len == 0 || times == 0));
    assert_int_equal (rc, times == 0 ? 0 : 1);
  }
}

/* 1 GiB of zeros in sixteen streams. */
static void
a_bomb_takes_its_window (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    struct unwrap *u = NULL;
    struct bytes file;
    struct error err;
    char line[128];
    long before;

    if (wrappings[i].kind == WRAPPER_BZIP2)
      continue; /* the same, but slow */
    snprintf (line, sizeof line, "head -c 64M /dev/zero | %s -1", wrappings[i].command);
    file = output_of (line);
    before = resident_kib ();
    assert_int_equal (unwrap_new (&u, wrappings[i].kind, &usual, &err), 0);
    explode (u, file, 16);
    assert_int_equal (unwrap_given (u), UINT64_C (1) << 30);
    assert_true (unwrap_memory (u) < 16 * MIB);
    assert_true (resident_kib () - before < 32 << 10);
    unwrap_close (u);
    free (file.p);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (windows_of_zstd),         cmocka_unit_test (the_longest_window_of_zstd),
#ifdef HAVE_LZMA
    cmocka_unit_test (windows_of_xz),
#endif
    cmocka_unit_test (a_dictionary_is_refused), cmocka_unit_test (a_bomb_takes_its_window),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
