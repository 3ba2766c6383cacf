/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoding: exactly one cluster or an error, whatever the stream says, and never a byte
 * written beyond the cluster.
 */
#include "qcow2-image.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zstd.h>

enum { CLUSTER = 4096, ROOM = 1 << 20, GUARD = 64 };

static uint8_t plain[ROOM], packed[2 * ROOM], out[QCOW2_CLUSTER_MAX + GUARD];

/* Bytes that compress somewhat, different for every SEED. */
static void
fill (uint8_t *p, size_t n, uint32_t seed)
{
  size_t i;

  for (i = 0; i < n; i++) {
    seed = seed * 1103515245 + 12345;
    p[i] = (uint8_t)(seed >> 28);
  }
}

static size_t
deflate_of (const uint8_t *in, size_t n, uint8_t *to)
{
  struct libdeflate_compressor *c = libdeflate_alloc_compressor (6);
  size_t len = libdeflate_deflate_compress (c, in, n, to, ROOM);

  libdeflate_free_compressor (c);
  assert_true (len > 0);
  return len;
}

/* One frame; WINDOW 0 tells the size in the header, else a window of that log is told. */
static size_t
zstd_of (const uint8_t *in, size_t n, uint8_t *to, int window)
{
  ZSTD_CCtx *c = ZSTD_createCCtx ();
  ZSTD_outBuffer o = { to, ROOM, 0 };
  ZSTD_inBuffer i = { in, n, 0 };

  if (window != 0) {
    ZSTD_CCtx_setParameter (c, ZSTD_c_windowLog, window);
    ZSTD_CCtx_setParameter (c, ZSTD_c_contentSizeFlag, 0);
  }
  ZSTD_CCtx_setParameter (c, ZSTD_c_checksumFlag, 1);
  if (window != 0)
    while (i.pos < n)
      ZSTD_compressStream2 (c, &o, &i, ZSTD_e_continue);
  assert_int_equal (ZSTD_compressStream2 (c, &o, &i, ZSTD_e_end), 0);
  ZSTD_freeCCtx (c);
  return o.pos;
}

static size_t
skippable (uint8_t *to, uint32_t len)
{
  static const uint8_t magic[] = { 0x53, 0x2a, 0x4d, 0x18 };

  memcpy (to, magic, 4);
  to[4] = (uint8_t)len;
  to[5] = (uint8_t)(len >> 8);
  to[6] = to[7] = 0;
  memset (to + 8, 0xee, len);
  return 8 + len;
}

/* Decodes N bytes of packed, copied to a buffer of just that size, so that a sanitizer sees a
 * read too far; checks that nothing was written behind the cluster.  Returns the error's code. */
static enum error_code
decode_as (enum qcow2_compression compression, uint32_t bits, size_t n, const char *words)
{
  struct qcow2_decoder *d = NULL;
  struct error err = { 0 };
  uint8_t *in = malloc (n + 1);
  host_off at = { 81920 };
  size_t i, cluster = (size_t)1 << bits;
  int rc;

  assert_non_null (in);
  in = realloc (in, n > 0 ? n : 1);
  memcpy (in, packed, n);
  memset (out, 0xa5, sizeof out);
  assert_int_equal (qcow2_decoder_new (&d, compression, bits, &err), 0);
  rc = qcow2_decode (d, at, in, n, out, &err);
  assert_int_equal (rc, err.code == ERR_NONE ? 0 : -1);
  if (rc == -1) {
    assert_one_line (err.text);
    assert_non_null (strstr (err.text, "byte 81920"));
    if (strstr (err.text, words) == NULL)
      fail_msg ("%s: %s", words, err.text);
  }
  for (i = 0; i < GUARD; i++)
    assert_int_equal (out[cluster + i], 0xa5);
  qcow2_decoder_close (d);
  free (in);
  return err.code;
}

#define assert_decodes(compression, bits, n)                                                 \
  do {                                                                                       \
    assert_int_equal (decode_as (compression, bits, n, ""), ERR_NONE);                       \
    assert_memory_equal (out, plain, (size_t)1 << (bits));                                   \
  } while (0)

#define assert_refused(compression, n, words)                                                \
  assert_int_equal (decode_as (compression, 12, n, words), ERR_IMAGE_MALFORMED)

/* ---- Deflate ------------------------------------------------------------------------------- */

static void
every_cluster_size_inflates (void **state)
{
  uint32_t bits;

  (void)state;
  for (bits = 9; bits <= 20; bits++) {
    size_t n;

    fill (plain, (size_t)1 << bits, bits);
    n = deflate_of (plain, (size_t)1 << bits, packed);
    assert_decodes (QCOW2_DEFLATE, bits, n);
    memset (packed + n, 0xff, 511); /* E20: padding, whatever it is */
    assert_decodes (QCOW2_DEFLATE, bits, n + 511);
  }
}

static void
deflate_output_must_be_a_cluster (void **state)
{
  size_t n;

  (void)state;
  fill (plain, ROOM, 1);
  n = deflate_of (plain, CLUSTER - 1, packed); /* E18 */
  assert_refused (QCOW2_DEFLATE, n, "less than one cluster");
  n = deflate_of (plain, 0, packed);
  assert_refused (QCOW2_DEFLATE, n, "less than one cluster");
}

#if HAVE_ZLIB
static void
a_deflate_stream_may_go_on_behind_its_cluster (void **state)
{
  size_t n, cut;

  (void)state;
  fill (plain, ROOM, 1);
  n = deflate_of (plain, CLUSTER + 1, packed);
  assert_decodes (QCOW2_DEFLATE, 12, n);
  n = deflate_of (plain, ROOM, packed);
  assert_decodes (QCOW2_DEFLATE, 12, n);
  for (cut = n; cut > n / 2; cut -= n / 16) /* and what is behind it may be missing */
    assert_decodes (QCOW2_DEFLATE, 12, cut);
  memset (plain, 0, ROOM);
  n = deflate_of (plain, ROOM, packed); /* E19 */
  assert_decodes (QCOW2_DEFLATE, 12, n);
}
#endif

static void
a_broken_deflate_stream_is_refused (void **state)
{
  static const uint8_t zlib_header[] = { 0x78, 0x9c };
  size_t n, cut;

  (void)state;
  fill (plain, CLUSTER, 2);
  n = deflate_of (plain, CLUSTER, packed);
  for (cut = 0; cut < n; cut += 97) /* E16, E21, T08 */
    assert_refused (QCOW2_DEFLATE, cut, "cut");
  assert_refused (QCOW2_DEFLATE, n - 16, "cut");
  packed[0] = 7; /* E15: the block type that is not one */
  assert_refused (QCOW2_DEFLATE, n, "broken or cut");
  n = deflate_of (plain, CLUSTER, packed + 2);
  memcpy (packed, zlib_header, 2); /* E22 */
  assert_refused (QCOW2_DEFLATE, n + 2, "");
}

static void
a_stored_deflate_block_is_fine (void **state)
{
  static const uint8_t head[] = { 0x01, 0x00, 0x10, 0xff, 0xef };

  (void)state;
  fill (plain, CLUSTER, 3);
  memcpy (packed, head, sizeof head);
  memcpy (packed + sizeof head, plain, CLUSTER);
  assert_decodes (QCOW2_DEFLATE, 12, CLUSTER + sizeof head);
}

/* ---- zstd ---------------------------------------------------------------------------------- */

static void
every_cluster_size_decodes_from_zstd (void **state)
{
  uint32_t bits;

  (void)state;
  for (bits = 9; bits <= 20; bits++) {
    size_t n;

    fill (plain, (size_t)1 << bits, bits);
    n = zstd_of (plain, (size_t)1 << bits, packed, 0);
    assert_decodes (QCOW2_ZSTD, bits, n);
    memset (packed + n, 0, 511);
    assert_decodes (QCOW2_ZSTD, bits, n + 511);
    memset (packed + n, 0xff, 511);
    assert_decodes (QCOW2_ZSTD, bits, n + 511);
    n = zstd_of (plain, (size_t)1 << bits, packed, 21); /* as from a pipe */
    assert_decodes (QCOW2_ZSTD, bits, n);
  }
}

static void
several_frames_make_one_cluster (void **state)
{
  size_t n = 0;

  (void)state;
  fill (plain, CLUSTER, 5);
  n += skippable (packed, 0);
  n += zstd_of (plain, 1000, packed + n, 0);
  n += skippable (packed + n, 300);
  n += zstd_of (plain, 0, packed + n, 0); /* an empty one */
  n += zstd_of (plain + 1000, 3000, packed + n, 17);
  n += zstd_of (plain + 4000, 96, packed + n, 0);
  assert_decodes (QCOW2_ZSTD, 12, n);
  n += zstd_of (plain, CLUSTER, packed + n, 0); /* the next cluster's, in the same sector */
  assert_decodes (QCOW2_ZSTD, 12, n);
}

static void
zstd_output_must_be_one_cluster (void **state)
{
  size_t n, m;

  (void)state;
  fill (plain, ROOM, 6);
  n = zstd_of (plain, CLUSTER - 1, packed, 0);
  assert_refused (QCOW2_ZSTD, n, "less than one cluster");
  memset (packed + n, 0, 512);
  assert_refused (QCOW2_ZSTD, n + 512, "less than one cluster");
  m = zstd_of (plain, 2, packed + n, 0);
  assert_refused (QCOW2_ZSTD, n + m, "too small");
  n = zstd_of (plain, CLUSTER + 1, packed, 0);
  assert_refused (QCOW2_ZSTD, n, "too small");
  n = zstd_of (plain, CLUSTER + 1, packed, 21);
  assert_refused (QCOW2_ZSTD, n, "too small");
  memset (plain, 0, ROOM);
  n = zstd_of (plain, ROOM, packed, 0);
  assert_refused (QCOW2_ZSTD, n, "too small");
  for (n = 0; n < 64 * 1024;)
    n += skippable (packed + n, 0); /* R5: a chain of nothing */
  assert_refused (QCOW2_ZSTD, n, "less than one cluster");
}

static void
a_broken_zstd_stream_is_refused (void **state)
{
  size_t n, cut;

  (void)state;
  fill (plain, CLUSTER, 7);
  n = zstd_of (plain, CLUSTER, packed, 0);
  for (cut = 0; cut < n; cut += 61)
    assert_refused (QCOW2_ZSTD, cut, "");
  assert_refused (QCOW2_ZSTD, n - 1, "broken or cut");
  packed[n - 1] ^= 1;
  assert_refused (QCOW2_ZSTD, n, "checksum");
  packed[n - 1] ^= 1;
  packed[0] ^= 1;
  assert_refused (QCOW2_ZSTD, n, "no zstd frame");
  memset (packed, 0, 64);
  assert_refused (QCOW2_ZSTD, 64, "no zstd frame");
  n = skippable (packed, 200);
  assert_refused (QCOW2_ZSTD, n - 1, "broken or cut");
}

static void
a_window_beyond_qemus_limit_is_refused (void **state)
{
  size_t n;

  (void)state;
  fill (plain, CLUSTER, 8);
  n = zstd_of (plain, CLUSTER, packed, 12);
  assert_int_equal (packed[4] & 0x20, 0); /* no single segment: byte 5 is the window */
  packed[5] = (27 - 10) << 3;
  assert_decodes (QCOW2_ZSTD, 12, n);
  packed[5]++;
  assert_refused (QCOW2_ZSTD, n, "128 MiB");
  packed[5] = (31 - 10) << 3; /* 2 GiB */
  assert_refused (QCOW2_ZSTD, n, "128 MiB");
  packed[5] = 0xff;
  assert_refused (QCOW2_ZSTD, n, "128 MiB");
}

static void
frames_of_ancient_zstd_are_refused (void **state)
{
  uint8_t magic;

  (void)state;
  memset (packed, 0, 64);
  memcpy (packed + 1, "\xb5\x2f\xfd", 3);
  for (magic = 0x1e; magic < 0x28; magic++) {
    packed[0] = magic;
    assert_refused (QCOW2_ZSTD, 64, "no zstd frame");
  }
}

static void
a_decoder_is_good_for_many_clusters (void **state)
{
  struct qcow2_decoder *d = NULL;
  struct error err;
  host_off at = { 0 };
  uint32_t i;

  (void)state;
  assert_int_equal (qcow2_decoder_new (&d, QCOW2_ZSTD, 12, &err), 0);
  for (i = 0; i < 20; i++) {
    size_t n;

    fill (plain, CLUSTER, i);
    n = zstd_of (plain, CLUSTER, packed, 0);
    assert_int_equal (qcow2_decode (d, at, packed, n / 2, out, &err), -1);
    assert_int_equal (qcow2_decode (d, at, packed, n, out, &err), 0);
    assert_memory_equal (out, plain, CLUSTER);
  }
  qcow2_decoder_close (d);
  qcow2_decoder_close (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_cluster_size_inflates),
    cmocka_unit_test (deflate_output_must_be_a_cluster),
#if HAVE_ZLIB
    cmocka_unit_test (a_deflate_stream_may_go_on_behind_its_cluster),
#endif
    cmocka_unit_test (a_broken_deflate_stream_is_refused),
    cmocka_unit_test (a_stored_deflate_block_is_fine),
    cmocka_unit_test (every_cluster_size_decodes_from_zstd),
    cmocka_unit_test (several_frames_make_one_cluster),
    cmocka_unit_test (zstd_output_must_be_one_cluster),
    cmocka_unit_test (a_broken_zstd_stream_is_refused),
    cmocka_unit_test (a_window_beyond_qemus_limit_is_refused),
    cmocka_unit_test (frames_of_ancient_zstd_are_refused),
    cmocka_unit_test (a_decoder_is_good_for_many_clusters),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
