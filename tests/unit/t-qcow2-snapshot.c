/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The snapshot table: entries of every age, their limits, and the size of the disk they kept.
 */
#include "qcow2-image.h"

enum { TABLE = 0x8000, ENTRY_MAX = 40 + 1024 + 2 * 65535 };

static uint8_t entry[ENTRY_MAX + 8];

/* An image with three snapshots at TABLE. */
static void
parse_header (struct qcow2_header *h, uint64_t file_len)
{
  static const struct patch p[] = { { 60, 4, 3 }, { 64, 8, TABLE }, { 0, 0, 0 } };

  image_parse (h, p, file_len);
}

/* A sound entry with EXTRA bytes of extra data; ID and NAME behind it.  Returns its length. */
static size_t
write_entry (uint32_t extra, const char *id, const char *name)
{
  struct patch p[] = { { 0, 8, 0xa000 },
                       { 8, 4, 4 },
                       { 12, 2, strlen (id) },
                       { 14, 2, strlen (name) },
                       { 16, 4, 1700000000 },
                       { 24, 8, 12345 },
                       { 32, 4, 77 },
                       { 36, 4, extra },
                       { 0, 0, 0 } };
  size_t len = 40 + extra;

  memset (entry, 0, sizeof entry);
  patch_all (entry, p);
  if (extra >= 8)
    store_be64 (entry + 40, 99);
  if (extra >= 16)
    store_be64 (entry + 48, 4 << 20);
  memcpy (entry + len, id, strlen (id));
  len += strlen (id);
  memcpy (entry + len, name, strlen (name));
  return len + strlen (name);
}

static void
an_entry_says_how_many_bytes_it_needs (void **state)
{
  host_off at = { TABLE };
  struct qcow2_header h;
  struct qcow2_snapshot s;
  struct error err;
  size_t len, full = write_entry (24, "1", "before\x1b");

  (void)state;
  parse_header (&h, IMAGE_LEN);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, 0, &s, &len, &err), 1);
  assert_int_equal (len, 40);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, 40, &s, &len, &err), 1);
  assert_int_equal (len, full);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, full - 1, &s, &len, &err), 1);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, full, &s, &len, &err), 0);
  assert_int_equal (len, 72);
  assert_int_equal (s.entry_at, TABLE);
  assert_int_equal (s.disk.virtual_size, 4 << 20);
  assert_int_equal (s.disk.l1.at.v, 0xa000);
  assert_int_equal (s.disk.l1.n, 2);
  assert_string_equal (s.id, "1");
  assert_string_equal (s.name, "before\\x1b");
  assert_int_equal (s.date_s, 1700000000);
  assert_int_equal (s.vm_clock_ns, 12345);
  assert_int_equal (s.vm_state_size, 99);
}

static void
name_and_id_are_also_there_as_they_are (void **state)
{
  host_off at = { TABLE };
  struct qcow2_header h;
  struct qcow2_snapshot s;
  struct error err;
  size_t len, n = write_entry (16, "12", "na\\me");

  (void)state;
  parse_header (&h, IMAGE_LEN);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, n, &s, &len, &err), 0);
  assert_int_equal (s.raw_id_len, 2);
  assert_memory_equal (s.raw_id, "12", 2);
  assert_int_equal (s.raw_name_len, 5);
  assert_memory_equal (s.raw_name, "na\\me", 5);
}

static void
old_entries_fall_back_on_the_active_disk (void **state)
{
  static const uint32_t extras[] = { 0, 7, 8, 15 };
  host_off at = { TABLE };
  struct qcow2_header h;
  struct qcow2_snapshot s;
  struct error err;
  size_t i, len;

  (void)state;
  parse_header (&h, IMAGE_LEN);
  for (i = 0; i < 4; i++) {
    size_t n = write_entry (extras[i], "1", "x");

    assert_int_equal (qcow2_snapshot_parse (&h, at, entry, n, &s, &len, &err), 0);
    assert_int_equal (s.disk.virtual_size, 8 << 20);
    assert_int_equal (s.disk.l1.n, 4);
    assert_int_equal (s.vm_state_size, extras[i] < 8 ? 77 : 99);
  }
}

static void
every_limit_of_an_entry (void **state)
{
  static const struct {
    const char *id;
    struct patch p[3];
    enum error_code want;
    const char *words;
  } rows[] = {
    { "sound", { { 0 } }, ERR_NONE, "" },
    { "H50", { { 36, 4, 0xffffffff } }, ERR_IMAGE_MALFORMED, "extra_data_size at byte 32804" },
    { "extra 1025", { { 36, 4, 1025 } }, ERR_IMAGE_MALFORMED, "extra_data_size" },
    { "extra 1024", { { 36, 4, 1024 } }, ERR_NONE, "" },
    { "long name", { { 14, 2, 0xffff } }, ERR_NONE, "" },
    { "long names", { { 12, 4, 0xffffffff } }, ERR_IMAGE_TRUNCATED, "ends beyond the image" },
    { "L1 unaligned", { { 0, 8, 0xa200 } }, ERR_IMAGE_MALFORMED, "byte 32768 is 0xa200, not al" },
    { "L1 far out", { { 0, 8, 0x21000 } }, ERR_IMAGE_TRUNCATED, "byte 32768 is 0x21000" },
    { "L1 in the header", { { 0, 8, 0 } }, ERR_IMAGE_MALFORMED, "overlaps the header" },
    { "L1 on the active one", { { 0, 8, 0x3000 } }, ERR_IMAGE_MALFORMED, "overlaps the L1" },
    { "L1 on the table", { { 0, 8, 0x8000 } }, ERR_IMAGE_MALFORMED, "overlaps the snapshot" },
    { "L1 too small", { { 8, 4, 1 } }, ERR_IMAGE_MALFORMED, "l1_size at byte 32776 is 1" },
    { "L1 too large", { { 8, 4, 0x400001 } }, ERR_IMAGE_MALFORMED, "l1_size at byte 32776" },
    { "L1 larger", { { 8, 4, 512 } }, ERR_NONE, "" },
    { "size", { { 48, 8, 1023 } }, ERR_IMAGE_MALFORMED, "disk size at byte 32816 is 1023" },
    { "size 2^63", { { 48, 8, UINT64_C (1) << 63 } }, ERR_IMAGE_MALFORMED, "disk size" },
    { "empty", { { 48, 8, 0 }, { 8, 4, 0 } }, ERR_NONE, "" },
  };
  host_off at = { TABLE };
  struct qcow2_header h;
  size_t i, len;

  (void)state;
  parse_header (&h, IMAGE_LEN);
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct error err = { 0 };
    struct qcow2_snapshot s;
    int rc;

    write_entry (16, "1", "x");
    patch_all (entry, rows[i].p);
    rc = qcow2_snapshot_parse (&h, at, entry, sizeof entry, &s, &len, &err);
    if (strncmp (rows[i].id, "L1 ", 3) == 0) { /* who does not want it does not care */
      assert_int_equal (rc, 0);
      err = s.l1_wrong;
      rc = err.code == ERR_NONE ? 0 : -1;
    }
    if (err.code != rows[i].want || (rc == 0) != (err.code == ERR_NONE)
        || strstr (err.text, rows[i].words) == NULL)
      fail_msg ("%s: %d %s", rows[i].id, rc, err.text);
  }
}

static void
entries_stay_in_the_file_and_apart (void **state)
{
  host_off end = { 0x21000 - 39 }, last = { 0x21000 - 60 }, over = { 0x2ff0 };
  struct qcow2_header h;
  struct qcow2_snapshot s;
  struct error err;
  size_t len, n = write_entry (16, "1", "x");

  (void)state;
  parse_header (&h, IMAGE_LEN);
  h.snapshots_at = 0x2000;
  assert_int_equal (qcow2_snapshot_parse (&h, end, entry, n, &s, &len, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
  assert_int_equal (qcow2_snapshot_parse (&h, last, entry, n, &s, &len, &err), 0);
  assert_int_equal (len, 64); /* padding that is not there */
  assert_int_equal (qcow2_snapshot_parse (&h, over, entry, n, &s, &len, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_MALFORMED);
  assert_non_null (strstr (err.text, "overlaps the L1 table"));
}

static void
the_table_is_at_most_64_mib (void **state)
{
  host_off at = { TABLE + (64 << 20) - 58 };
  struct qcow2_header h;
  struct qcow2_snapshot s;
  struct error err;
  size_t len, n = write_entry (16, "1", "x");

  (void)state;
  parse_header (&h, 128 << 20);
  assert_int_equal (n, 58);
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, n, &s, &len, &err), 0);
  at.v++;
  assert_int_equal (qcow2_snapshot_parse (&h, at, entry, n, &s, &len, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TOO_LARGE);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (an_entry_says_how_many_bytes_it_needs),
    cmocka_unit_test (name_and_id_are_also_there_as_they_are),
    cmocka_unit_test (old_entries_fall_back_on_the_active_disk),
    cmocka_unit_test (every_limit_of_an_entry),
    cmocka_unit_test (entries_stay_in_the_file_and_apart),
    cmocka_unit_test (the_table_is_at_most_64_mib),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
