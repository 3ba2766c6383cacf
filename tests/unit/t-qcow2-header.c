/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header: every verdict that its first cluster alone can give, field by field.
 */
#include "qcow2-image.h"

#include <stdio.h>
#include <stdlib.h>

#include "qcow2/layout.h"

struct row {
  const char *id;
  struct patch p[7];
  enum error_code want;
  const char *words; /* in the message */
};

#define MALFORMED ERR_IMAGE_MALFORMED
#define UNSUPPORTED ERR_IMAGE_UNSUPPORTED
#define TRUNCATED ERR_IMAGE_TRUNCATED
#define TOO_LARGE ERR_IMAGE_TOO_LARGE

#define EIGHT_EIB_LESS UINT64_C (0x7ffffffffff80000)

static const struct row rows[] = {
  { "H00", { { 0 } }, ERR_NONE, "" },
  { "H01", { { 3, 1, 0xfa } }, MALFORMED, "magic at byte 0" },
  { "H02", { { 4, 4, 0 } }, UNSUPPORTED, "version at byte 4 is 0" },
  { "H03", { { 4, 4, 1 } }, UNSUPPORTED, "version at byte 4 is 1" },
  { "H04", { { 4, 4, 4 } }, UNSUPPORTED, "version at byte 4 is 4" },
  { "H05", { { 4, 4, 2 } }, ERR_NONE, "" },
  { "H06", { { 20, 4, 8 } }, MALFORMED, "cluster_bits at byte 20 is 8" },
  { "H07", { { 20, 4, 22 } }, MALFORMED, "cluster_bits at byte 20 is 22" },
  { "H08", { { 20, 4, 63 } }, MALFORMED, "cluster_bits" },
  { "H09", { { 20, 4, 0xffffffff } }, MALFORMED, "cluster_bits" },
  { "H10", { { 20, 4, 16 } }, MALFORMED, "refcount_table_offset at byte 48 is 0x1000, not al" },
  { "H11", { { 20, 4, 9 } }, MALFORMED, "l1_size at byte 36 is 4" },
  { "H12", { { 24, 8, 0 } }, ERR_NONE, "" },
  { "H13", { { 24, 8, 8388609 } }, MALFORMED, "size at byte 24 is 8388609" },
  { "H14", { { 24, 8, INT64_MAX } }, MALFORMED, "size at byte 24" },
  { "H14b", { { 24, 8, UINT64_C (1) << 63 } }, TOO_LARGE, "size at byte 24" },
  { "H15", { { 24, 8, UINT64_MAX } }, MALFORMED, "size at byte 24" },
  { "H16", { { 24, 8, EIGHT_EIB_LESS } }, TOO_LARGE, "--max-size" },
  { "max", { { 24, 8, (UINT64_C (64) << 40) + 512 } }, TOO_LARGE, "--max-size" },
  { "H17", { { 24, 8, 16 << 20 } }, MALFORMED, "need 8 entries" },
  { "H17b", { { 24, 8, (8 << 20) + 512 } }, MALFORMED, "need 5 entries" },
  { "H18", { { 24, 8, 4 << 20 } }, ERR_NONE, "" },
  { "H19", { { 36, 4, 0 } }, MALFORMED, "l1_size at byte 36 is 0" },
  { "H20", { { 36, 4, 0xffffffff } }, TOO_LARGE, "l1_size at byte 36" },
  { "H21", { { 36, 4, 0x7fffffff } }, TOO_LARGE, "l1_size at byte 36" },
  { "H22", { { 36, 4, 0x400000 } }, TRUNCATED, "l1_table_offset at byte 40" },
  { "H23", { { 36, 4, 0x400001 } }, TOO_LARGE, "l1_size at byte 36" },
  { "H24", { { 40, 8, 0 } }, MALFORMED, "overlaps the header" },
  { "H25", { { 40, 8, 0x3001 } }, MALFORMED, "l1_table_offset at byte 40 is 0x3001, not al" },
  { "H26", { { 40, 8, 0x7fffffffffff0000 } }, TRUNCATED, "l1_table_offset" },
  { "H27", { { 40, 8, 0xfffffffffffff000 } }, MALFORMED, "beyond the end of any file" },
  { "H27b", { { 36, 4, 1024 }, { 40, 8, 0xfffffffffffff000 } }, MALFORMED, "l1_table_offset" },
  { "no L1, at 2^63", { { 24, 8, 0 }, { 36, 4, 0 }, { 40, 8, UINT64_C (1) << 63 } }, MALFORMED,
    "l1_table_offset at byte 40 is 0x8000000000000000, beyond" },
  { "no L1, below 2^63", { { 24, 8, 0 }, { 36, 4, 0 }, { 40, 8, 0x7ffffffffffff000 } }, ERR_NONE,
    "" },
  { "H28", { { 40, 8, 0x1000000 } }, TRUNCATED, "l1_table_offset" },
  { "H29", { { 40, 8, 0x1000 } }, MALFORMED, "overlaps the refcount table" },
  { "L1 up to the last byte", { { 36, 4, 0x3c00 } }, ERR_NONE, "" },
  { "L1 one entry too far", { { 36, 4, 0x3c01 } }, TRUNCATED, "l1_table_offset" },
  { "H30", { { 48, 8, 0x1234567890abcdef } }, MALFORMED, "refcount_table_offset at byte 48" },
  { "H31", { { 48, 8, 0 } }, MALFORMED, "overlaps the header" },
  { "refcount table behind the end", { { 48, 8, 0x21000 } }, TRUNCATED, "refcount_table_off" },
  { "refcount table wraps", { { 48, 8, 0xfffffffffffff000 } }, MALFORMED, "refcount_table_off" },
  { "refcount table over L1", { { 56, 4, 3 } }, MALFORMED, "overlaps the refcount table" },
  { "refcount table too long", { { 48, 8, 0x20000 }, { 56, 4, 2 } }, TRUNCATED, "refcount_ta" },
  { "H32", { { 56, 4, 0 } }, MALFORMED, "refcount_table_clusters at byte 56 is 0" },
  { "H33", { { 56, 4, 0xffffffff } }, TOO_LARGE, "refcount_table_clusters at byte 56" },
  { "H34", { { 56, 4, 2049 } }, TOO_LARGE, "refcount_table_clusters at byte 56" },
  { "H34b", { { 56, 4, 2048 } }, TRUNCATED, "refcount_table_offset at byte 48" },
  { "H35", { { 96, 4, 7 } }, MALFORMED, "refcount_order at byte 96 is 7" },
  { "H36", { { 96, 4, 0xffffffff } }, MALFORMED, "refcount_order at byte 96" },
  { "H37", { { 96, 4, 0 } }, ERR_NONE, "" },
  { "order 6", { { 96, 4, 6 } }, ERR_NONE, "" },
  { "H38", { { 100, 4, 0 } }, MALFORMED, "header_length at byte 100 is 0" },
  { "H39", { { 100, 4, 103 } }, MALFORMED, "header_length at byte 100 is 103" },
  { "below", { { 100, 4, 96 } }, MALFORMED, "header_length at byte 100 is 96" },
  { "H40", { { 100, 4, 105 } }, MALFORMED, "header_length at byte 100 is 105" },
  { "H41", { { 100, 4, 4097 } }, MALFORMED, "header_length at byte 100 is 4097" },
  { "above", { { 100, 4, 4104 } }, MALFORMED, "header_length at byte 100 is 4104" },
  { "H42", { { 100, 4, 0xffffffff } }, MALFORMED, "header_length at byte 100" },
  { "header of 104", { { 100, 4, 104 } }, ERR_NONE, "" },
  { "header of 120", { { 100, 4, 120 }, { 112, 8, 99 } }, ERR_NONE, "" },
  { "header of a cluster", { { 100, 4, 4096 }, { 112, 8, 99 } }, ERR_NONE, "" },
  { "H43", { { 32, 4, 1 } }, UNSUPPORTED, "crypt_method at byte 32 is 1" },
  { "H44", { { 32, 4, 2 } }, UNSUPPORTED, "LUKS" },
  { "H45", { { 32, 4, 3 } }, UNSUPPORTED, "unknown method" },
  { "H46", { { 60, 4, 0xffffffff } }, TOO_LARGE, "nb_snapshots at byte 60" },
  { "H47", { { 60, 4, 65537 } }, TOO_LARGE, "nb_snapshots at byte 60 is 65537" },
  { "H48", { { 60, 4, 1 }, { 64, 8, 0x1000000 } }, TRUNCATED, "snapshots_offset at byte 64" },
  { "H49", { { 64, 8, 0x1234567890abcdef } }, MALFORMED, "snapshots_offset at byte 64" },
  { "none, anywhere", { { 64, 8, 0x1000000 } }, ERR_NONE, "" },
  { "none, at the end of all", { { 64, 8, 0x7ffffffffffff000 } }, ERR_NONE, "" },
  { "none, in no file", { { 64, 8, 0xff00000000000000 } }, MALFORMED,
    "snapshots_offset at byte 64 is 0xff00000000000000, beyond the end of any file" },
  { "H51", { { 60, 4, 1 } }, MALFORMED, "overlaps the header" },
  { "table on L1", { { 60, 4, 1 }, { 64, 8, 0x3000 } }, MALFORMED, "overlaps the L1 table" },
  { "table across L1", { { 60, 4, 103 }, { 64, 8, 0x2000 } }, MALFORMED, "overlaps the L1" },
  { "table before L1", { { 60, 4, 102 }, { 64, 8, 0x2000 } }, ERR_NONE, "" },
  { "table too long", { { 60, 4, 103 }, { 64, 8, 0x20000 } }, TRUNCATED, "snapshots_offset" },
  { "H52", { { 24, 8, 8388607 } }, MALFORMED, "no multiple of 512" },
  { "F01", { { 72, 8, 1 } }, ERR_NONE, "" },
  { "F02", { { 72, 8, 2 } }, MALFORMED, "qemu-img check" },
  { "F03", { { 72, 8, 4 } }, UNSUPPORTED, "external" },
  { "F04", { { 72, 8, 4 }, { 112, 8, 0x4441544100000002 }, { 120, 2, 0x2f65 } }, UNSUPPORTED,
    "flattened" },
  { "F06", { { 72, 8, 8 } }, MALFORMED, "compression_type at byte 104 is 0" },
  { "F06b", { { 72, 8, 8 }, { 100, 4, 104 }, { 104, 4, 0 } }, MALFORMED, "compression_type" },
  { "F07", { { 72, 8, 8 }, { 104, 1, 1 } }, ERR_NONE, "" },
  { "F08", { { 72, 8, 8 }, { 104, 1, 255 } }, UNSUPPORTED, "compression_type at byte 104 is 255" },
  { "F08b", { { 72, 8, 8 }, { 104, 1, 2 } }, UNSUPPORTED, "compression_type at byte 104 is 2" },
  { "F09", { { 104, 1, 1 } }, MALFORMED, "compression_type at byte 104 is 1" },
  { "F10", { { 72, 8, 16 } }, MALFORMED, "cluster_bits" },
  { "F11", { { 72, 8, 32 } }, UNSUPPORTED, "bit 5 (without a name)" },
  { "F12", { { 72, 8, UINT64_C (1) << 63 } }, UNSUPPORTED, "bit 63" },
  { "F13",
    { { 72, 8, 32 },
      { 112, 8, 0x6803f85700000030 },
      { 120, 8, 0x00051b5b324a1b5d },
      { 128, 8, 0x303b70776e656407 } },
    UNSUPPORTED,
    "bit 5 (\\x1b[2J\\x1b]0;pwned\\x07)" },
  { "F13, another bit's name",
    { { 72, 8, 32 }, { 112, 8, 0x6803f85700000060 }, { 120, 4, 0x01056161 }, { 168, 4, 0x00066262 } },
    UNSUPPORTED,
    "bit 5 (without a name)" },
  { "F13, then a broken extension",
    { { 72, 8, 32 },
      { 112, 8, 0x6803f85700000030 },
      { 120, 4, 0x00056161 },
      { 168, 8, 0x12345678ffffffff } },
    UNSUPPORTED,
    "bit 5 (aa)" },
  { "F14", { { 80, 8, UINT64_MAX } }, ERR_NONE, "" },
  { "F15", { { 88, 8, UINT64_MAX } }, MALFORMED, "autoclear_features at byte 88" },
  { "F16", { { 88, 8, 2 } }, MALFORMED, "autoclear_features at byte 88 is 0x2" },
  { "F17", { { 88, 8, 1 } }, ERR_NONE, "" },
  { "autoclear, others", { { 88, 8, ~UINT64_C (3) } }, ERR_NONE, "" },
  { "v2 ignores what v3 has there", { { 4, 4, 2 }, { 104, 8, 0 } }, ERR_NONE, "" },
  { "X01", { { 112, 8, 0x123456787fffffff } }, MALFORMED, "header extension 0x12345678 at byte 112" },
  { "X02", { { 112, 8, 0x12345678fffffff9 } }, MALFORMED, "length 4294967289" },
  { "X to the end", { { 112, 8, 0x1234567800000f88 } }, ERR_NONE, "" },
  { "X, padding beyond", { { 112, 8, 0x1234567800000f85 } }, ERR_NONE, "" },
  { "X one too far", { { 112, 8, 0x1234567800000f89 } }, MALFORMED, "length 3977" },
  { "X04", { { 112, 8, 0xe2792aca00000010 } }, MALFORMED, "backing format at byte 120" },
  { "format of 15", { { 112, 8, 0xe2792aca0000000f } }, ERR_NONE, "" },
  { "X05", { { 88, 8, 1 }, { 112, 8, 0x2385287500000018 } }, MALFORMED, "nb_bitmaps 0" },
  { "X05, not in use", { { 112, 8, 0x2385287500000018 } }, ERR_NONE, "" },
  { "bitmaps, length", { { 112, 8, 0x2385287500000010 } }, MALFORMED, "instead of 24" },
  { "X06", { { 88, 8, 1 }, { 112, 8, 0x2385287500000018 }, { 120, 4, 65536 } }, MALFORMED, "65536" },
  { "X07",
    { { 88, 8, 1 },
      { 112, 8, 0x2385287500000018 },
      { 120, 4, 1 },
      { 128, 8, UINT64_C (1) << 63 },
      { 136, 8, 0x20000 } },
    MALFORMED,
    "bitmap_directory_size 9223372036854775808" },
  { "bitmaps, reserved",
    { { 88, 8, 1 }, { 112, 8, 0x2385287500000018 }, { 120, 8, 0x100000001 }, { 128, 8, 64 } },
    MALFORMED,
    "reserved" },
  { "bitmaps, size 0",
    { { 88, 8, 1 }, { 112, 8, 0x2385287500000018 }, { 120, 4, 1 }, { 136, 8, 0x20000 } },
    MALFORMED,
    "bitmap_directory_size 0" },
  { "bitmaps, sound",
    { { 88, 8, 1 },
      { 112, 8, 0x2385287500000018 },
      { 120, 4, 1 },
      { 128, 8, 64 },
      { 136, 8, 0x20000 } },
    ERR_NONE,
    "" },
  { "bitmaps, out of the file",
    { { 88, 8, 1 },
      { 112, 8, 0x2385287500000018 },
      { 120, 4, 1 },
      { 128, 8, 64 },
      { 136, 8, 0x21000 } },
    TRUNCATED,
    "bitmap_directory_offset at byte 136" },
  { "bitmaps, on L1",
    { { 88, 8, 1 },
      { 112, 8, 0x2385287500000018 },
      { 120, 4, 1 },
      { 128, 8, 64 },
      { 136, 8, 0x3000 } },
    MALFORMED,
    "bitmap_directory_offset at byte 136 is 0x3000: it overlaps the L1 table" },
  { "X08", { { 32, 4, 2 }, { 112, 8, 0x0537be7700000010 } }, UNSUPPORTED, "encrypted" },
  { "crypto extension alone", { { 112, 8, 0x0537be7700000010 } }, UNSUPPORTED, "encrypted" },
  { "X09", { { 112, 8, 0x4441544100000002 } }, UNSUPPORTED, "external data file" },
  { "X09 in v2", { { 4, 4, 2 }, { 72, 8, 0x4441544100000002 } }, UNSUPPORTED, "external data" },
  { "B01", { { 8, 8, UINT64_MAX }, { 16, 4, 11 } }, MALFORMED, "backing_file_offset at byte 8" },
  { "B01b", { { 8, 8, 4097 }, { 16, 4, 11 } }, MALFORMED, "backing_file_offset at byte 8" },
  { "inside the header", { { 8, 8, 104 }, { 16, 4, 11 } }, MALFORMED, "backing_file_offset" },
  { "B02", { { 8, 8, 0x200 }, { 16, 4, 0xffffffff } }, MALFORMED, "backing_file_size at byte 16" },
  { "B03", { { 8, 8, 0x200 }, { 16, 4, 11 } }, ERR_NONE, "" },
  { "B06", { { 8, 8, 0x200 }, { 16, 4, 1024 } }, MALFORMED, "backing_file_size at byte 16" },
  { "name of 1023", { { 8, 8, 0xc01 }, { 16, 4, 1023 } }, ERR_NONE, "" },
  { "name beyond", { { 8, 8, 0xc02 }, { 16, 4, 1023 } }, MALFORMED, "backing_file_size at byte" },
  { "no name", { { 8, 8, 0x200 }, { 16, 4, 0 } }, MALFORMED, "backing_file_size at byte 16 is 0" },
  { "B08", { { 16, 4, 100 } }, ERR_NONE, "" },
  { "extensions up to the name",
    { { 8, 8, 0x80 }, { 16, 4, 5 }, { 112, 8, 0x1234567800000008 } },
    ERR_NONE,
    "" },
  { "a name cuts an extension",
    { { 8, 8, 0x7c }, { 16, 4, 5 }, { 112, 8, 0x1234567800000000 }, { 120, 4, 1 } },
    MALFORMED,
    "cut by the backing file name" },
  { "no end mark before a name", { { 8, 8, 0x70 }, { 16, 4, 5 } }, ERR_NONE, "" },
  { "a name behind the end mark", { { 8, 8, 0x78 }, { 16, 4, 5 } }, ERR_NONE, "" },
  { "a name in the end mark", { { 8, 8, 0x77 }, { 16, 4, 5 } }, MALFORMED, "cut by the backing" },
  { "an end mark with a body", { { 112, 8, 8 } }, ERR_NONE, "" },
  { "an end mark up to the end", { { 112, 8, 0xf88 } }, ERR_NONE, "" },
  { "an end mark too long", { { 112, 8, 0xf89 } }, MALFORMED, "length 3977 does not fit" },
};

static void
every_row_of_the_table (void **state)
{
  static uint8_t raw[QCOW2_CLUSTER_MAX];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct qcow2_header h = { .version = 77 };
    struct error err = { 0 };
    int rc;

    image_header (raw, IMAGE_CLUSTER);
    patch_all (raw, rows[i].p);
    rc = qcow2_header_parse (&h, raw, sizeof raw, IMAGE_LEN, image_max, &err);
    if (err.code != rows[i].want || (rc == 0) != (err.code == ERR_NONE)
        || strstr (err.text, rows[i].words) == NULL)
      fail_msg ("%s: %d %s", rows[i].id, rc, err.text);
    if (rc == -1) {
      assert_one_line (err.text);
      assert_int_equal (h.version, 77); /* nothing is published */
    }
  }
}

static void
a_sound_header_is_published_whole (void **state)
{
  static const struct patch p[] = { { 8, 8, 0x200 },
                                    { 16, 4, 5 },
                                    { 60, 4, 2 },
                                    { 64, 8, 0x1f000 },
                                    { 72, 8, 9 },
                                    { 80, 8, 1 },
                                    { 88, 8, 4 },
                                    { 104, 1, 1 },
                                    { 112, 8, 0xe2792aca00000005 },
                                    { 120, 5, 0x71636f7732 },
                                    { 0x200, 5, 0x2f1b5b6d78 },
                                    { 0, 0, 0 } };
  struct qcow2_header h;
  struct qcow2_disk disk;

  (void)state;
  image_parse (&h, p, IMAGE_LEN);
  assert_int_equal (h.version, 3);
  assert_int_equal (h.cluster_bits, 12);
  assert_int_equal (h.cluster_size, 4096);
  assert_int_equal (h.file_len, IMAGE_LEN);
  assert_int_equal (h.virtual_size, 8 << 20);
  assert_int_equal (h.l1.at.v, 0x3000);
  assert_int_equal (h.l1.n, 4);
  assert_int_equal (h.refcount_table.at.v, 0x1000);
  assert_int_equal (h.refcount_table.len, 4096);
  assert_int_equal (h.refcount_order, 4);
  assert_int_equal (h.snapshots, 2);
  assert_int_equal (h.snapshots_at, 0x1f000);
  assert_int_equal (h.incompatible, 9);
  assert_int_equal (h.compatible, 1);
  assert_int_equal (h.autoclear, 4);
  assert_int_equal (h.compression, QCOW2_ZSTD);
  assert_true (h.dirty);
  assert_false (h.extended_l2);
  assert_true (h.has_backing);
  assert_int_equal (h.backing_name_len, 5);
  assert_memory_equal (h.backing_name, "/\x1b[mx", 6);
  assert_string_equal (h.backing_format, "qcow2");
  qcow2_active_disk (&h, &disk);
  assert_int_equal (disk.virtual_size, 8 << 20);
  assert_int_equal (disk.l1.at.v, 0x3000);
  assert_int_equal (disk.l1.n, 4);
}

static void
a_longer_l1_table_is_cut_to_what_the_disk_needs (void **state)
{
  static const struct patch p[] = { { 24, 8, (2 << 20) + 512 }, { 0, 0, 0 } };
  static const struct patch empty[] = { { 24, 8, 0 }, { 36, 4, 0 }, { 40, 8, 0 }, { 0, 0, 0 } };
  struct qcow2_header h;
  struct qcow2_disk disk;

  (void)state;
  image_parse (&h, p, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  assert_int_equal (h.l1.n, 4);
  assert_int_equal (disk.l1.n, 2);
  image_parse (&h, empty, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  assert_int_equal (disk.l1.n, 0);
}

static void
a_cut_refcount_table_is_no_loss (void **state)
{
  static const struct patch p[] = { { 48, 8, 0x20000 }, { 0, 0, 0 } };
  struct qcow2_header h;

  (void)state;
  image_parse (&h, p, 0x20008);
  assert_int_equal (h.refcount_table.len, 8);
}

static void
version_2_has_the_defaults (void **state)
{
  static const struct patch p[] = { { 4, 4, 2 }, { 72, 8, 0 }, { 96, 8, 0 }, { 0, 0, 0 } };
  struct qcow2_header h;

  (void)state;
  image_parse (&h, p, IMAGE_LEN);
  assert_int_equal (h.version, 2);
  assert_int_equal (h.refcount_order, 4);
  assert_int_equal (h.compression, QCOW2_DEFLATE);
  assert_int_equal (qcow2_l2_entry_size (&h), 8);
}

static void
every_cluster_size_has_its_geometry (void **state)
{
  uint32_t bits;

  (void)state;
  for (bits = 9; bits <= 21; bits++) {
    uint64_t cluster = UINT64_C (1) << bits;
    struct patch p[] = { { 20, 4, bits },       { 24, 8, 4 * (cluster / 8) * cluster },
                         { 40, 8, 3 * cluster }, { 48, 8, cluster },
                         { 72, 8, 0 },           { 0, 0, 0 } };
    struct qcow2_header h;

    image_parse (&h, p, 8 * cluster);
    assert_int_equal (h.cluster_size, cluster);
    assert_int_equal (qcow2_l2_entries (&h), cluster / 8);
    assert_int_equal (qcow2_l1_span (&h), cluster / 8 * cluster);
    p[4].v = 16;
    p[1].v /= 2;
    if (bits < 14)
      continue;
    image_parse (&h, p, 8 * cluster);
    assert_int_equal (qcow2_l2_entry_size (&h), 16);
    assert_int_equal (qcow2_l1_span (&h), cluster / 16 * cluster);
  }
}

static void
extensions_fill_the_cluster_without_an_end (void **state)
{
  static uint8_t raw[IMAGE_CLUSTER];
  struct qcow2_header h;
  struct error err;
  size_t i;

  (void)state;
  image_header (raw, sizeof raw);
  for (i = 112; i < sizeof raw; i += 8)
    store_be64 (raw + i, UINT64_C (0x1234567800000000)); /* X03 */
  assert_int_equal (qcow2_header_parse (&h, raw, sizeof raw, IMAGE_LEN, image_max, &err), 0);
}

static void
a_short_file_is_truncated (void **state)
{
  static uint8_t raw[IMAGE_CLUSTER];
  static const size_t cuts[] = { 4, 71, 103 };
  struct qcow2_header h;
  struct error err;
  size_t i, need;

  (void)state;
  image_header (raw, sizeof raw);
  for (i = 0; i < 3; i++) {
    assert_int_equal (qcow2_header_need (raw, cuts[i], cuts[i], &need, &err), -1);
    assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
    assert_int_equal (qcow2_header_parse (&h, raw, cuts[i], cuts[i], image_max, &err), -1);
  }
  assert_int_equal (qcow2_header_need (raw, 104, 104, &need, &err), 0);
  assert_int_equal (need, 104);
  assert_int_equal (qcow2_header_need (raw, 104, IMAGE_LEN, &need, &err), 0);
  assert_int_equal (need, 4096);
  assert_int_equal (qcow2_header_parse (&h, raw, 4095, 4095, image_max, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
  assert_int_equal (qcow2_header_parse (&h, raw, 4096, 0x3008, image_max, &err), -1); /* T04 */
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
}

static void
an_unknown_length_refuses_nothing_for_lying_far_out (void **state)
{
  static const struct patch p[] = { { 40, 8, 0x100000000000 }, { 0, 0, 0 } };
  struct qcow2_header h;

  (void)state;
  image_parse (&h, p, QCOW2_LEN_UNKNOWN);
  assert_int_equal (h.l1.at.v, 0x100000000000);
  image_parse (&h, p, UINT64_MAX);
  assert_true (h.file_len == QCOW2_LEN_UNKNOWN);
}

static void
what_is_no_qcow2_is_named (void **state)
{
  static const struct {
    const char *bytes;
    size_t len;
    const char *words;
  } files[] = {
    { "", 0, "an empty file" },
    { "QF", 2, "raw data or an unknown format" },
    { "<!DOCTYPE html><html>", 21, "HTML" },
    { "\xef\xbb\xbf\r\n <HTML>", 12, "HTML" },
    { "<?xml version='1.0'?><Error>", 28, "XML" },
    { "   ", 3, "raw data or an unknown format" },
    { "\x1f\x8b\x08", 3, "gzip" },
    { "\xfd"
      "7zXZ\0\0",
      7, "xz" },
    { "\x28\xb5\x2f\xfd\0", 5, "zstd" },
    { "BZh9", 4, "bzip2" },
    { "PK\x03\x04", 4, "zip" },
    { "KDMV", 4, "VMDK" },
    { "vhdxfile", 8, "VHDX" },
    { "QED\0", 4, "QED" },
    { "EVF\t\r\n\xff\0", 8, "E01" },
    { "\x04\x22\x4d\x18", 4, "lz4" },
    { "{\"error\":1}", 11, "JSON" },
    { "\0\0\0\0", 4, "zeros" },
  };
  struct error err;
  size_t i, need;

  (void)state;
  for (i = 0; i < sizeof files / sizeof files[0]; i++) {
    const uint8_t *raw = (const uint8_t *)files[i].bytes;

    assert_int_equal (qcow2_header_need (raw, files[i].len, files[i].len, &need, &err), -1);
    assert_int_equal (err.code, ERR_IMAGE_MALFORMED);
    if (strstr (err.text, files[i].words) == NULL)
      fail_msg ("%s: %s", files[i].words, err.text);
    assert_one_line (err.text);
  }
}

static void
a_raw_disk_shows_its_partition_table_or_file_system (void **state)
{
  static const struct {
    size_t at;
    const char *bytes;
    const char *words;
  } disks[] = {
    { 512, "EFI PART", "GPT" },
    { 4096, "EFI PART", "GPT" },
    { 510, "\x55\xaa", "boot sector" },
    { 32769, "CD001", "ISO 9660" },
    { 32769, "BEA01", "UDF" },
    { 1080, "\x53\xef", "ext" },
    { 0, "XFSB", "XFS" },
    { 65600, "_BHRfS_M", "btrfs" },
    { 66908, "\x19\x01\x54\x19", "UFS" },
    { 512, "LABELONE", "LVM" },
  };
  uint8_t *raw = calloc (1, QCOW2_LOOK);
  size_t i;

  (void)state;
  for (i = 0; i < sizeof disks / sizeof disks[0]; i++) {
    size_t len = strlen (disks[i].bytes);

    memcpy (raw + disks[i].at, disks[i].bytes, len);
    assert_non_null (qcow2_raw_disk (raw, QCOW2_LOOK));
    assert_non_null (strstr (qcow2_raw_disk (raw, QCOW2_LOOK), disks[i].words));
    assert_null (qcow2_raw_disk (raw, disks[i].at + len - 1));
    assert_true (qcow2_may_be_raw (raw, QCOW2_LOOK));
    memset (raw + disks[i].at, 0, len);
    assert_null (qcow2_raw_disk (raw, QCOW2_LOOK));
  }
  free (raw);
}

static void
a_raw_disk_is_named_when_enough_of_it_is_seen (void **state)
{
  static uint8_t raw[1024];
  struct error err;
  size_t need;

  (void)state;
  raw[0] = 0xeb;
  raw[510] = 0x55;
  raw[511] = 0xaa;
  assert_int_equal (qcow2_header_need (raw, 511, 4096, &need, &err), -1);
  assert_non_null (strstr (err.text, "raw data or an unknown format"));
  assert_int_equal (qcow2_header_need (raw, 512, 4096, &need, &err), -1);
  assert_non_null (strstr (err.text, "a raw disk"));
  memcpy (raw + 512, "EFI PART", 8);
  assert_int_equal (qcow2_header_need (raw, sizeof raw, 4096, &need, &err), -1);
  assert_non_null (strstr (err.text, "a raw disk"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_row_of_the_table),
    cmocka_unit_test (a_sound_header_is_published_whole),
    cmocka_unit_test (a_longer_l1_table_is_cut_to_what_the_disk_needs),
    cmocka_unit_test (a_cut_refcount_table_is_no_loss),
    cmocka_unit_test (version_2_has_the_defaults),
    cmocka_unit_test (every_cluster_size_has_its_geometry),
    cmocka_unit_test (extensions_fill_the_cluster_without_an_end),
    cmocka_unit_test (a_short_file_is_truncated),
    cmocka_unit_test (an_unknown_length_refuses_nothing_for_lying_far_out),
    cmocka_unit_test (what_is_no_qcow2_is_named),
    cmocka_unit_test (a_raw_disk_shows_its_partition_table_or_file_system),
    cmocka_unit_test (a_raw_disk_is_named_when_enough_of_it_is_seen),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
