/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A glance at a header: it sees what the parse sees, and it knows when the first bytes of the
 * cluster are enough.
 */
#include "qcow2-image.h"

#include <stdio.h>

static uint8_t raw[IMAGE_CLUSTER];

static bool
is_here (size_t n, const struct patch *patches)
{
  image_header (raw, sizeof raw);
  patch_all (raw, patches);
  return qcow2_header_is_here (raw, n);
}

static void
it_sees_what_the_parse_sees (void **state)
{
  static const struct patch some[][3] = {
    { { 0 } },
    { { 4, 4, 2 } },
    { { 72, 8, 8 }, { 104, 1, 1 } },
    { { 36, 4, 7 } },
    { { 24, 8, 0 }, { 36, 4, 0 } },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof some / sizeof some[0]; i++) {
    struct qcow2_glance seen;
    struct qcow2_header h;
    struct error err;

    image_parse (&h, some[i], IMAGE_LEN);
    image_header (raw, sizeof raw);
    patch_all (raw, some[i]);
    assert_int_equal (qcow2_header_glance (raw, sizeof raw, IMAGE_LEN, &seen, &err), 0);
    assert_int_equal (seen.cluster_bits, h.cluster_bits);
    assert_int_equal (seen.compression, h.compression);
    assert_int_equal (seen.l1.at.v, h.l1.at.v);
    assert_int_equal (seen.l1.n, h.l1.n);
  }
}

/* Byte 104 belongs to the header only where header_length says so. */
static void
a_short_header_has_no_compression_type (void **state)
{
  static const struct patch zstd[] = { { 72, 8, 8 }, { 104, 1, 1 }, { 0 } },
                            shorter[] = { { 100, 4, 104 }, { 104, 1, 1 }, { 0 } },
                            v2[] = { { 4, 4, 2 }, { 104, 1, 1 }, { 0 } };
  struct qcow2_glance seen;
  struct error err;

  (void)state;
  image_header (raw, sizeof raw);
  patch_all (raw, zstd);
  assert_int_equal (qcow2_header_glance (raw, QCOW2_HEADER_MIN, IMAGE_LEN, &seen, &err), 0);
  assert_int_equal (seen.compression, QCOW2_DEFLATE);
  assert_int_equal (qcow2_header_glance (raw, QCOW2_HEADER_MIN + 1, IMAGE_LEN, &seen, &err), 0);
  assert_int_equal (seen.compression, QCOW2_ZSTD);
  image_header (raw, sizeof raw);
  patch_all (raw, shorter);
  assert_int_equal (qcow2_header_glance (raw, sizeof raw, IMAGE_LEN, &seen, &err), 0);
  assert_int_equal (seen.compression, QCOW2_DEFLATE);
  image_header (raw, sizeof raw);
  patch_all (raw, v2);
  assert_int_equal (qcow2_header_glance (raw, sizeof raw, IMAGE_LEN, &seen, &err), 0);
  assert_int_equal (seen.compression, QCOW2_DEFLATE);
}

static void
another_file_is_refused (void **state)
{
  static const struct {
    struct patch p[2];
    uint64_t len;
    enum error_code want;
  } some[] = {
    { { { 0, 1, 'q' } }, IMAGE_LEN, ERR_IMAGE_MALFORMED },
    { { { 4, 4, 9 } }, IMAGE_LEN, ERR_IMAGE_UNSUPPORTED },
    { { { 40, 8, IMAGE_LEN - 31 } }, IMAGE_LEN, ERR_IMAGE_TRUNCATED },
    { { { 40, 8, UINT64_MAX - 7 } }, IMAGE_LEN, ERR_IMAGE_TRUNCATED },
    { { { 36, 4, UINT32_MAX } }, IMAGE_LEN, ERR_IMAGE_TRUNCATED },
    { { { 0 } }, 0x3000 + 31, ERR_IMAGE_TRUNCATED },
  };
  struct qcow2_glance seen;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof some / sizeof some[0]; i++) {
    struct error err;

    image_header (raw, sizeof raw);
    patch_all (raw, some[i].p);
    assert_int_equal (qcow2_header_glance (raw, sizeof raw, some[i].len, &seen, &err), -1);
    assert_int_equal (err.code, some[i].want);
    assert_one_line (err.text);
  }
}

static void
the_first_bytes_are_enough_up_to_the_end_mark (void **state)
{
  static const struct patch plain[] = { { 0 } }, v2[] = { { 4, 4, 2 }, { 0 } },
                            one[] = { { 112, 8, 0xe2792aca00000005 }, { 0 } },
                            far[] = { { 112, 8, 0x12345678fffffff8 }, { 0 } },
                            longer[] = { { 100, 4, 512 }, { 0 } },
                            endless[] = { { 100, 4, UINT32_MAX }, { 0 } };

  (void)state;
  assert_false (is_here (QCOW2_HEADER_MIN - 1, plain));
  assert_false (is_here (112 + 7, plain));
  assert_true (is_here (112 + 8, plain));
  assert_false (is_here (QCOW2_HEADER_MIN - 1, v2));
  assert_true (is_here (QCOW2_HEADER_MIN, v2));
  assert_false (is_here (112 + 8 + 8 + 7, one));
  assert_true (is_here (112 + 8 + 8 + 8, one));
  assert_false (is_here (sizeof raw, far));
  assert_false (is_here (511, longer));
  assert_false (is_here (512 + 7, longer));
  assert_true (is_here (512 + 8, longer));
  assert_false (is_here (sizeof raw, endless));
}

static void
a_name_must_be_there_too (void **state)
{
  static const struct patch name[] = { { 8, 8, 1000 }, { 16, 4, 24 }, { 0 } },
                            wraps[] = { { 8, 8, UINT64_MAX }, { 16, 4, 24 }, { 0 } };

  (void)state;
  assert_false (is_here (1023, name));
  assert_true (is_here (1024, name));
  assert_false (is_here (sizeof raw, wraps));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (it_sees_what_the_parse_sees),
    cmocka_unit_test (a_short_header_has_no_compression_type),
    cmocka_unit_test (another_file_is_refused),
    cmocka_unit_test (the_first_bytes_are_enough_up_to_the_end_mark),
    cmocka_unit_test (a_name_must_be_there_too),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
