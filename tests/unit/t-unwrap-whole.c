/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole wrapped files, of every make, in pieces of any size; and what a file is, by its first
 * bytes.
 */
#include "unwrap-fixture.h"

enum { PLAIN = 300000 };

static struct bytes plain, nothing;

static int
setup (void **state)
{
  (void)state;
  plain = some_bytes (PLAIN);
  nothing = some_bytes (0);
  return 0;
}

static int
teardown (void **state)
{
  (void)state;
  free (plain.p);
  free (nothing.p);
  return 0;
}

static void
check_command (enum wrapper kind, const char *command, struct bytes want)
{
  struct bytes file = made_by (command, plain);

  assert_int_equal (unwrap_recognise (file.p, file.n), kind);
  assert_unwraps (kind, file, want, 1 << 20, 1 << 20);
  assert_unwraps (kind, file, want, 4096, 65536);
  free (file.p);
}

static void
any_pieces (void **state)
{
  static const size_t steps[][2]
      = { { 1, 1 },       { 1, 1 << 20 }, { 1 << 20, 1 },      { 7, 13 },
          { 4096, 4096 }, { 65537, 511 }, { 1 << 20, 1 << 20 } };
  size_t i, k;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    struct bytes file = made_by (wrappings[i].command, plain);

    for (k = 0; k < sizeof steps / sizeof steps[0]; k++)
      assert_unwraps (wrappings[i].kind, file, plain, steps[k][0], steps[k][1]);
    free (file.p);
  }
}

static void
every_level (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    char line[80];

    snprintf (line, sizeof line, "%s -1", wrappings[i].command);
    check_command (wrappings[i].kind, line, plain);
    snprintf (line, sizeof line, "%s -9", wrappings[i].command);
    check_command (wrappings[i].kind, line, plain);
  }
}

static void
an_empty_file_wrapped (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    struct bytes file = made_by (wrappings[i].command, nothing);

    assert_int_equal (unwrap_recognise (file.p, file.n), wrappings[i].kind);
    assert_unwraps (wrappings[i].kind, file, nothing, 1 << 20, 1 << 20);
    assert_unwraps (wrappings[i].kind, file, nothing, 1, 1);
    free (file.p);
  }
}

static void
several_streams (void **state)
{
  struct bytes twice = joined (some_bytes (PLAIN), plain);
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    struct bytes one = made_by (wrappings[i].command, plain);
    struct bytes none = made_by (wrappings[i].command, nothing);
    struct bytes file = joined (joined (joined (made_by ("cat", none), one), one), none);

    assert_unwraps (wrappings[i].kind, file, twice, 1 << 20, 1 << 20);
    assert_unwraps (wrappings[i].kind, file, twice, 1, 4096);
    assert_unwraps (wrappings[i].kind, file, twice, 4096, 1);
    free (one.p);
    free (none.p);
    free (file.p);
  }
  free (twice.p);
}

/* What comes of the first N bytes of FILE, in rooms of OUT_STEP, before any more are given. */
static uint64_t
given_for (enum wrapper kind, struct bytes file, size_t n, size_t out_step)
{
  struct unwrap_io io = { file.p, n, NULL, 0 };
  uint8_t *out = malloc (out_step);
  struct unwrap *u = NULL;
  struct error err;
  uint64_t given;

  assert_non_null (out);
  assert_int_equal (unwrap_new (&u, kind, &usual, &err), 0);
  do {
    io.out = out;
    io.out_len = out_step;
    assert_int_equal (unwrap_push (u, &io, false, &err), 1);
  } while (io.out_len == 0 || io.in_len > 0);
  given = unwrap_given (u);
  unwrap_close (u);
  free (out);
  return given;
}

static void
what_is_held_comes_without_more (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < WRAPPINGS; i++) {
    struct bytes file = made_by (wrappings[i].command, plain);
    uint64_t all = given_for (wrappings[i].kind, file, file.n - 20, 1 << 20);

    assert_true (all > PLAIN / 4 || wrappings[i].kind == WRAPPER_BZIP2);
    assert_int_equal (given_for (wrappings[i].kind, file, file.n - 20, 7), all);
    free (file.p);
  }
}

static void
gzip_with_names_and_comments (void **state)
{
#ifdef HAVE_ZLIB
  /* FEXTRA, FNAME, FCOMMENT and FHCRC */
  check_command (
      WRAPPER_GZIP,
      "python3 -c 'import sys, zlib, struct; d = sys.stdin.buffer.read (); "
      "h = b\"\\x1f\\x8b\\x08\\x1e\" + bytes (6) + b\"\\x04\\0abcd\" + b\"disk\\0\" + "
      "b\"no\\0\"; "
      "c = zlib.compressobj (6, zlib.DEFLATED, -15); "
      "sys.stdout.buffer.write (h + struct.pack (\"<H\", zlib.crc32 (h) & 0xffff) "
      "+ c.compress (d) + c.flush () + struct.pack (\"<II\", zlib.crc32 (d), len (d)))'",
      plain);
#endif
  (void)state;
}

/* ---- xz ------------------------------------------------------------------------------------
 */

#ifdef HAVE_LZMA
static void
xz_of_blocks_on_threads (void **state)
{
  static const struct unwrap_limits threads = { 64 << 20, 64 << 20, 4 };
  static const size_t steps[][2]
      = { { 1, 1 << 20 }, { 4096, 4096 }, { 1 << 20, 1 }, { 1 << 20, 1 << 20 } };
  struct bytes one = made_by ("xz -T2 --block-size=16384 -c", plain);
  struct bytes file = joined (made_by ("cat", one), one);
  struct bytes twice = joined (some_bytes (PLAIN), plain);
  size_t i;

  (void)state;
  assert_unwraps (WRAPPER_XZ, one, plain, 4096, 4096);
  for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    struct result r = unwrapped (WRAPPER_XZ, file, twice, &threads, steps[i][0], steps[i][1]);

    if (r.code != ERR_NONE || !r.same)
      fail_msg ("%s", r.text);
  }
  free (one.p);
  free (file.p);
  free (twice.p);
}

static void
xz_with_every_check_and_filter (void **state)
{
  (void)state;
  check_command (WRAPPER_XZ, "xz -c --check=none", plain);
  check_command (WRAPPER_XZ, "xz -c --check=crc32", plain);
  check_command (WRAPPER_XZ, "xz -c --check=sha256", plain);
  check_command (WRAPPER_XZ, "xz -c --x86 --lzma2=preset=6", plain);
  check_command (WRAPPER_XZ, "xz -c --delta=dist=4 --lzma2=preset=1,dict=4KiB", plain);
}

static void
xz_padding (void **state)
{
  static uint8_t zeros[4096];
  struct bytes one = made_by ("xz -c", plain);
  struct bytes twice = joined (some_bytes (PLAIN), plain);
  struct bytes file = made_by ("cat", one);
  size_t steps[] = { 1, 3, 1 << 20 }, i;

  (void)state;
  file = joined (file, (struct bytes){ zeros, 4 });
  for (i = 0; i < 3; i++)
    assert_unwraps (WRAPPER_XZ, file, plain, steps[i], 4096);
  file = joined (joined (file, one), (struct bytes){ zeros, sizeof zeros });
  for (i = 0; i < 3; i++)
    assert_unwraps (WRAPPER_XZ, file, twice, steps[i], 4096);
  free (one.p);
  free (file.p);
  free (twice.p);
}
#endif

/* ---- zstd ----------------------------------------------------------------------------------
 */

static void
zstd_of_every_make (void **state)
{
  (void)state;
  check_command (WRAPPER_ZSTD, "zstd -q -c --no-check", plain);
  check_command (WRAPPER_ZSTD, "zstd -q -c --ultra -22 --long=26", plain);
  check_command (WRAPPER_ZSTD, "zstd -q -c -B16384 -T2", plain);
  check_command (WRAPPER_ZSTD, "cat | zstd -q -c --stream-size=300000", plain);
  check_command (WRAPPER_ZSTD, "cat | zstd -q -c --no-content-size", plain);
  check_command (WRAPPER_ZSTD, "head -c 200 | zstd -q -c", (struct bytes){ plain.p, 200 });
  check_command (WRAPPER_ZSTD, "head -c 60000 | zstd -q -c", (struct bytes){ plain.p, 60000 });
}

static void
zstd_skippable_frames (void **state)
{
  uint8_t skip[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
  uint8_t empty[] = { 0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
  struct bytes skips = { skip, sizeof skip }, empties = { empty, sizeof empty };
  struct bytes one = made_by ("zstd -q -c", plain);
  struct bytes twice = joined (some_bytes (PLAIN), plain);
  struct bytes file = joined (joined (some_bytes (0), empties), skips);
  size_t steps[] = { 1, 5, 1 << 20 }, i;

  (void)state;
  for (i = 0; i < 3; i++)
    assert_unwraps (WRAPPER_ZSTD, file, nothing, steps[i], 1);
  file = joined (joined (joined (joined (file, one), empties), skips), one);
  assert_int_equal (unwrap_recognise (file.p, file.n), WRAPPER_ZSTD);
  for (i = 0; i < 3; i++)
    assert_unwraps (WRAPPER_ZSTD, file, twice, steps[i], 65536);
  file = joined (joined (file, skips), empties);
  for (i = 0; i < 3; i++)
    assert_unwraps (WRAPPER_ZSTD, file, twice, steps[i], 65536);
  free (one.p);
  free (file.p);
  free (twice.p);
}

/* ---- What it is ----------------------------------------------------------------------------
 */

static void
archives_have_a_name (void **state)
{
  static const struct {
    enum wrapper kind;
    const char *command;
  } made[] = {
    { WRAPPER_TAR, "d=$(mktemp -d); echo >$d/disk.raw; tar -C $d -c disk.raw; rm -r $d" },
    { WRAPPER_TAR,
      "d=$(mktemp -d); echo >$d/disk.raw; tar -C $d --format=ustar -c disk.raw; rm -r $d" },
    { WRAPPER_OVA,
      "d=$(mktemp -d); echo >$d/vm.ovf; tar -C $d --format=ustar -c vm.ovf; rm -r $d" },
    { WRAPPER_ZIP, "python3 -c 'import zipfile, io, sys; b = io.BytesIO (); "
                   "z = zipfile.ZipFile (b, \"w\"); z.writestr (\"disk\", \"x\"); z.close (); "
                   "sys.stdout.buffer.write (b.getvalue ())'" },
    { WRAPPER_ZIP, "python3 -c 'import zipfile, io, sys; b = io.BytesIO (); "
                   "z = zipfile.ZipFile (b, \"w\"); z.close (); "
                   "sys.stdout.buffer.write (b.getvalue ())'" },
    { WRAPPER_LZMA, "echo x | xz --format=lzma -c" },
    { WRAPPER_SEVEN_ZIP, "printf '7z\\274\\257\\047\\034\\0\\004'" },
    { WRAPPER_RAR, "printf 'Rar!\\032\\007\\001\\0'" },
    { WRAPPER_LZ4, "printf '\\004\\042\\115\\030d'" },
    { WRAPPER_LZIP, "printf 'LZIP\\001\\014'" },
    { WRAPPER_COMPRESS, "printf '\\037\\235\\220a'" },
    { WRAPPER_AR, "printf '!<arch>\\ndebian-binary   '" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof made / sizeof made[0]; i++) {
    struct bytes file = output_of (made[i].command);
    struct unwrap *u = NULL;
    struct error err;

    if (unwrap_recognise (file.p, file.n) != made[i].kind)
      fail_msg ("%s: taken for %s", made[i].command,
                wrapper_name (unwrap_recognise (file.p, file.n)));
    assert_int_equal (unwrap_new (&u, made[i].kind, &usual, &err), -1);
    assert_int_equal (err.code, ERR_IMAGE_UNSUPPORTED);
    assert_non_null (strstr (err.text, wrapper_name (made[i].kind)));
    unwrap_refuse (made[i].kind, WRAPPER_XZ, &err);
    assert_non_null (strstr (err.text, "in the xz file is"));
    free (file.p);
  }
}

static void
images_are_no_wrappers (void **state)
{
  static const char *const made[] = {
    "printf 'QFI\\373\\0\\0\\0\\003'",
    "head -c 512 /dev/zero",
    "printf 'BZh9 is how it begins, and then'",
    "printf '\\037\\213\\0'",
    "printf ''",
    "printf 'PK'",
    "printf '\\120\\052\\115'",
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof made / sizeof made[0]; i++) {
    struct bytes file = output_of (made[i]);

    if (unwrap_recognise (file.p, file.n) != WRAPPER_NONE)
      fail_msg ("%s: taken for %s", made[i], wrapper_name (unwrap_recognise (file.p, file.n)));
    free (file.p);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (any_pieces),
    cmocka_unit_test (every_level),
    cmocka_unit_test (an_empty_file_wrapped),
    cmocka_unit_test (several_streams),
    cmocka_unit_test (what_is_held_comes_without_more),
    cmocka_unit_test (gzip_with_names_and_comments),
#ifdef HAVE_LZMA
    cmocka_unit_test (xz_of_blocks_on_threads),
    cmocka_unit_test (xz_with_every_check_and_filter),
    cmocka_unit_test (xz_padding),
#endif
    cmocka_unit_test (zstd_of_every_make),
    cmocka_unit_test (zstd_skippable_frames),
    cmocka_unit_test (archives_have_a_name),
    cmocka_unit_test (images_are_no_wrappers),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
