/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The map: what one L1 entry or one L2 entry alone says, and how neighbours become extents.
 */
#include "qcow2-image.h"

#include <stdio.h>
#include <stdlib.h>

#define COPIED (UINT64_C (1) << 63)
#define COMPRESSED (UINT64_C (1) << 62)
#define D EXTENT_DATA
#define C EXTENT_COMPRESSED
#define Z EXTENT_ZERO
#define H EXTENT_HOLE

static const struct patch none[] = { { 0, 0, 0 } };
static const host_off l2_at = { 0x4000 };

/* Collects extents, and fails at once when they leave a gap. */
struct seen {
  struct extent e[64];
  size_t n;
  uint64_t next;
  size_t stop_after; /* 0: never */
};

static int
collect (void *ctx, const struct extent *e, struct error *err)
{
  struct seen *s = ctx;

  assert_int_equal (e->guest.v, s->next);
  assert_true (e->len > 0 && e->len % SECTOR == 0);
  assert_int_equal (e->layer, 0);
  assert_int_equal (e->skip, 0);
  assert_true (e->stored != 0 || e->host.v == 0 || e->kind == EXTENT_ZERO);
  assert_true (s->n < 64);
  s->next += e->len;
  s->e[s->n++] = *e;
  if (s->n == s->stop_after) {
    err->code = ERR_INTERRUPTED;
    return -1;
  }
  return 0;
}

static void
assert_extent (const struct extent *e, enum extent_kind kind, uint64_t len, uint64_t host,
               uint64_t stored)
{
  assert_int_equal (e->kind, kind);
  assert_int_equal (e->len, len);
  assert_int_equal (e->host.v, host);
  assert_int_equal (e->stored, stored);
}

/* Walks a table of L1 entry 0 whose first N entries are given, the rest 0. */
static int
walk (const struct qcow2_header *h, const uint64_t *entries, size_t n, struct seen *s,
      struct error *err)
{
  static uint8_t raw[8 * 512];
  struct qcow2_disk disk;
  size_t i;

  memset (s, 0, sizeof *s);
  memset (err, 0, sizeof *err);
  memset (raw, 0, sizeof raw);
  for (i = 0; i < n; i++)
    store_be64 (raw + 8 * i, entries[i]);
  qcow2_active_disk (h, &disk);
  return qcow2_l2_walk (h, &disk, 0, l2_at, 0, raw, (size_t)qcow2_l2_entries (h), collect, s, err);
}

/* ---- L1 ------------------------------------------------------------------------------------ */

static void
every_l1_row_of_the_table (void **state)
{
  static const struct {
    const char *id;
    uint64_t entry;
    enum error_code want;
    uint64_t l2;
  } rows[] = {
    { "none", 0, ERR_NONE, 0 },
    { "sound", COPIED | 0x4000, ERR_NONE, 0x4000 },
    { "L01", COPIED | 0x3000, ERR_IMAGE_MALFORMED, 0 },
    { "L03", COPIED, ERR_IMAGE_MALFORMED, 0 },
    { "L04", COPIED | 0x4001, ERR_IMAGE_MALFORMED, 0 },
    { "bit 8", COPIED | 0x4100, ERR_IMAGE_MALFORMED, 0 },
    { "L05", COPIED | 0x4200, ERR_IMAGE_MALFORMED, 0 },
    { "L06", 0x00fffffffffff000, ERR_IMAGE_TRUNCATED, 0 },
    { "L07", 0x7f00000000004000, ERR_IMAGE_MALFORMED, 0 },
    { "bit 56", 0x0100000000004000, ERR_IMAGE_MALFORMED, 0 },
    { "bit 62", 0x4000000000004000, ERR_IMAGE_MALFORMED, 0 },
    { "bit 0 alone", 1, ERR_IMAGE_MALFORMED, 0 },
    { "L09", COPIED | 0x1000000, ERR_IMAGE_TRUNCATED, 0 },
    { "the end", COPIED | 0x21000, ERR_IMAGE_TRUNCATED, 0 },
    { "before the end", COPIED | 0x20000, ERR_NONE, 0x20000 },
    { "L10", 0x4000, ERR_NONE, 0x4000 },
    { "refcount table", COPIED | 0x1000, ERR_IMAGE_MALFORMED, 0 },
  };
  struct qcow2_header h;
  struct qcow2_disk disk;
  size_t i;

  (void)state;
  image_parse (&h, none, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct error err = { 0 };
    host_off l2[2] = { { 1 }, { 1 } };
    uint8_t raw[16] = { 0 };
    int rc;

    store_be64 (raw + 8, rows[i].entry);
    rc = qcow2_l1_parse (&h, &disk, 1, raw, 2, l2, &err);
    if (err.code != rows[i].want || (rc == 0) != (err.code == ERR_NONE))
      fail_msg ("%s: %d %s", rows[i].id, rc, err.text);
    assert_int_equal (l2[0].v, 0);
    if (rc == 0) {
      assert_int_equal (l2[1].v, rows[i].l2);
    } else {
      assert_one_line (err.text);
      assert_non_null (strstr (err.text, "L1 entry 2 at byte 12304"));
    }
  }
}

static void
of_a_cut_l2_table_only_what_is_used_must_be_there (void **state)
{
  static const struct patch p[] = { { 24, 8, (6 << 20) + 1024 }, { 0, 0, 0 } };
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  host_off l2;
  uint8_t raw[8];

  (void)state;
  store_be64 (raw, COPIED | 0x21000);
  image_parse (&h, p, 0x21008);
  qcow2_active_disk (&h, &disk);
  assert_int_equal (qcow2_l2_used (&h, &disk, 2), 512);
  assert_int_equal (qcow2_l2_used (&h, &disk, 3), 1);
  assert_int_equal (qcow2_l1_parse (&h, &disk, 3, raw, 1, &l2, &err), 0);
  assert_int_equal (qcow2_l1_parse (&h, &disk, 2, raw, 1, &l2, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED); /* T05 */
  image_parse (&h, p, 0x21007);
  assert_int_equal (qcow2_l1_parse (&h, &disk, 3, raw, 1, &l2, &err), -1);
}

static void
an_l1_entry_without_table_is_a_hole (void **state)
{
  static const struct patch p[] = { { 24, 8, (6 << 20) + 1024 }, { 0, 0, 0 } };
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  struct seen s = { 0 };

  (void)state;
  image_parse (&h, p, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  s.next = 2 << 20;
  assert_int_equal (qcow2_l1_hole (&h, &disk, 1, collect, &s, &err), 0);
  assert_extent (&s.e[0], H, 2 << 20, 0, 0);
  s.next = 6 << 20;
  assert_int_equal (qcow2_l1_hole (&h, &disk, 3, collect, &s, &err), 0);
  assert_extent (&s.e[1], H, 1024, 0, 0);
}

/* ---- L2 ------------------------------------------------------------------------------------ */

static void
every_l2_row_of_the_table (void **state)
{
  static const struct {
    const char *id;
    uint64_t entry;
    enum error_code want;
    enum extent_kind kind;
  } rows[] = {
    { "hole", 0, ERR_NONE, H },
    { "data", COPIED | 0x5000, ERR_NONE, D },
    { "not copied", 0x5000, ERR_NONE, D },
    { "E01", COPIED | 0x5200, ERR_IMAGE_MALFORMED, D },
    { "E02", 0x00fffffffffff000, ERR_IMAGE_TRUNCATED, D },
    { "E03", COPIED, ERR_IMAGE_MALFORMED, D },
    { "E04", COPIED | 0x3000, ERR_IMAGE_MALFORMED, D },
    { "E05", COPIED | 0x4000, ERR_IMAGE_MALFORMED, D },
    { "refcount table", COPIED | 0x1000, ERR_IMAGE_MALFORMED, D },
    { "E07", COPIED | 0x3f00000000005000, ERR_IMAGE_MALFORMED, D },
    { "bit 56", 0x0100000000005000, ERR_IMAGE_MALFORMED, D },
    { "bit 61", 0x2000000000005000, ERR_IMAGE_MALFORMED, D },
    { "E08", COPIED | 0x51fe, ERR_IMAGE_MALFORMED, D },
    { "bit 1", COPIED | 0x5002, ERR_IMAGE_MALFORMED, D },
    { "bit 8", COPIED | 0x5100, ERR_IMAGE_MALFORMED, D },
    { "E09", COPIED | 0x5001, ERR_NONE, Z },
    { "zero", 1, ERR_NONE, Z },
    { "zero, copied at 0", COPIED | 1, ERR_IMAGE_MALFORMED, Z },
    { "zero, beyond the end", COPIED | 0x1000001, ERR_NONE, Z },
    { "zero, unaligned", 0x5201, ERR_IMAGE_MALFORMED, Z },
    { "zero, on L1", COPIED | 0x3001, ERR_IMAGE_MALFORMED, Z },
    { "zero, on its L2", COPIED | 0x4001, ERR_IMAGE_MALFORMED, Z },
    { "E10", COPIED | 0x1000000, ERR_IMAGE_TRUNCATED, D },
    { "at the end", COPIED | 0x21000, ERR_IMAGE_TRUNCATED, D },
    { "the last", COPIED | 0x20000, ERR_NONE, D },
    { "E11", COPIED | COMPRESSED | 0x1f000, ERR_IMAGE_MALFORMED, C },
    { "E12", 0x7fffffffffffffff, ERR_IMAGE_MALFORMED, C },
    { "E12b", COMPRESSED | 0x00ffffffffffffff, ERR_IMAGE_TRUNCATED, C },
    { "bit 56 of a compressed offset", COMPRESSED | 0x0100000000005000, ERR_IMAGE_MALFORMED, C },
    { "E13", COMPRESSED | 0x1000000, ERR_IMAGE_TRUNCATED, C },
    { "compressed at the end", COMPRESSED | 0x21000, ERR_IMAGE_TRUNCATED, C },
    { "compressed, last byte", COMPRESSED | 0x20fff, ERR_NONE, C },
    { "E14", COMPRESSED, ERR_IMAGE_MALFORMED, C },
    { "compressed in L1", COMPRESSED | 0x3800, ERR_IMAGE_MALFORMED, C },
    { "compressed into L1", COMPRESSED | UINT64_C (1) << 58 | 0x2e00, ERR_IMAGE_MALFORMED, C },
    { "compressed up to L1", COMPRESSED | 0x2e00, ERR_NONE, C },
    { "compressed in its L2", COMPRESSED | 0x4800, ERR_IMAGE_MALFORMED, C },
    { "compressed", COMPRESSED | 0x1f016, ERR_NONE, C },
  };
  struct qcow2_header h;
  size_t i;

  (void)state;
  image_parse (&h, none, IMAGE_LEN);
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct error err;
    struct seen s;
    int rc = walk (&h, &rows[i].entry, 1, &s, &err);

    if (err.code != rows[i].want || (rc == 0) != (err.code == ERR_NONE))
      fail_msg ("%s: %d %s", rows[i].id, rc, err.text);
    if (rc == -1)
      assert_one_line (err.text);
    else if (s.e[0].kind != rows[i].kind)
      fail_msg ("%s: kind %d", rows[i].id, (int)s.e[0].kind);
    else
      assert_int_equal (s.next, 2 << 20);
  }
}

static void
a_zero_flag_in_version_2_is_refused (void **state)
{
  static const struct patch p[] = { { 4, 4, 2 }, { 0, 0, 0 } };
  static const uint64_t flagged[] = { 1 }, plain[] = { COPIED | 0x5000 };
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, p, IMAGE_LEN);
  assert_int_equal (walk (&h, flagged, 1, &s, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_MALFORMED);
  assert_int_equal (walk (&h, plain, 1, &s, &err), 0);
}

static void
neighbours_stored_alike_are_one_extent (void **state)
{
  static const uint64_t entries[] = {
    COPIED | 0x5000, 0x6000, COPIED | 0x7000,              /* contiguous */
    COPIED | 0x9000, COPIED | 0x8000,                      /* not */
    COPIED | 0x8000,                                       /* shared: legal (E06) */
    1,               COPIED | 0xa001, COPIED | 0xb001, 1,  /* zeros: their place counts */
    0,               0,                                    /* holes are no zeros */
    COMPRESSED | 0x1f000, COMPRESSED | 0x1f000, COMPRESSED | 0x1f200, /* never merged (E23) */
    COPIED | 0xc000,
  };
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, none, IMAGE_LEN);
  assert_int_equal (walk (&h, entries, 16, &s, &err), 0);
  assert_int_equal (s.n, 13);
  assert_extent (&s.e[0], D, 0x3000, 0x5000, 0x3000);
  assert_extent (&s.e[1], D, 0x1000, 0x9000, 0x1000);
  assert_extent (&s.e[2], D, 0x1000, 0x8000, 0x1000);
  assert_extent (&s.e[3], D, 0x1000, 0x8000, 0x1000);
  assert_extent (&s.e[4], Z, 0x1000, 0, 0);
  assert_extent (&s.e[5], Z, 0x2000, 0xa000, 0);
  assert_extent (&s.e[6], Z, 0x1000, 0, 0);
  assert_extent (&s.e[7], H, 0x2000, 0, 0);
  assert_extent (&s.e[8], C, 0x1000, 0x1f000, 512);
  assert_extent (&s.e[9], C, 0x1000, 0x1f000, 512);
  assert_extent (&s.e[10], C, 0x1000, 0x1f200, 512);
  assert_extent (&s.e[11], D, 0x1000, 0xc000, 0x1000);
  assert_extent (&s.e[12], H, (512 - 16) * 0x1000, 0, 0);
}

static void
a_table_may_come_in_pieces (void **state)
{
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  struct seen s = { 0 };
  uint8_t raw[24];

  (void)state;
  image_parse (&h, none, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  store_be64 (raw, COPIED | 0x5000);
  store_be64 (raw + 8, COPIED | 0x6000);
  store_be64 (raw + 16, 1);
  s.next = (2 << 20) + 509 * 0x1000;
  assert_int_equal (qcow2_l2_walk (&h, &disk, 1, l2_at, 509, raw, 1, collect, &s, &err), 0);
  assert_int_equal (qcow2_l2_walk (&h, &disk, 1, l2_at, 510, raw + 8, 2, collect, &s, &err), 0);
  assert_int_equal (s.n, 3);
  assert_extent (&s.e[1], D, 0x1000, 0x6000, 0x1000);
  assert_int_equal (s.next, 4 << 20);
  assert_int_equal (qcow2_l2_walk (&h, &disk, 1, l2_at, 512, raw, 0, collect, &s, &err), 0);
  assert_int_equal (s.n, 3);
}

static void
the_last_cluster_may_be_cut_where_the_guest_ends (void **state)
{
  static const struct patch p[] = { { 24, 8, 0x2000 + 1024 }, { 0, 0, 0 } };
  static const uint64_t data[] = { 0, 0x5000, COPIED | 0x21000, COPIED | 0x1000000 };
  static const uint64_t packed[] = { 0, 0, COMPRESSED | 0x1f000 };
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, p, 0x21400);
  assert_int_equal (walk (&h, data, 4, &s, &err), 0); /* entry 3 is beyond the guest */
  assert_int_equal (s.n, 3);
  assert_extent (&s.e[2], D, 1024, 0x21000, 1024);
  assert_int_equal (walk (&h, packed, 3, &s, &err), 0);
  assert_extent (&s.e[1], C, 1024, 0x1f000, 512);
  image_parse (&h, p, 0x213ff);
  assert_int_equal (walk (&h, data, 4, &s, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED); /* T06 */
}

static void
a_compressed_cluster_may_lose_less_than_a_sector (void **state)
{
  static const uint64_t two[] = { COMPRESSED | UINT64_C (1) << 58 | 0x1f00a };
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, none, 0x1f400);
  assert_int_equal (walk (&h, two, 1, &s, &err), 0);
  assert_extent (&s.e[0], C, 0x1000, 0x1f00a, 1024 - 10);
  image_parse (&h, none, 0x1f201); /* E17: 511 bytes are missing */
  assert_int_equal (walk (&h, two, 1, &s, &err), 0);
  assert_extent (&s.e[0], C, 0x1000, 0x1f00a, 503);
  image_parse (&h, none, 0x1f200); /* 512 are too many */
  assert_int_equal (walk (&h, two, 1, &s, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
}

static void
an_emitter_ends_the_walk (void **state)
{
  static const uint64_t entries[] = { 0x5000, 0, 0x7000, 0 };
  uint8_t raw[8 * 512] = { 0 };
  struct qcow2_header h;
  struct qcow2_disk disk;
  size_t i, stop;

  (void)state;
  for (i = 0; i < 4; i++)
    store_be64 (raw + 8 * i, entries[i]);
  image_parse (&h, none, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  for (stop = 1; stop <= 4; stop++) {
    struct seen s = { .stop_after = stop };
    struct error err;

    assert_int_equal (qcow2_l2_walk (&h, &disk, 0, l2_at, 0, raw, 512, collect, &s, &err), -1);
    assert_int_equal (err.code, ERR_INTERRUPTED);
    assert_int_equal (s.n, stop);
  }
}

static void
every_cluster_size_unpacks_its_compressed_descriptor (void **state)
{
  uint32_t bits;

  (void)state;
  for (bits = 9; bits <= 21; bits++) {
    uint64_t cluster = UINT64_C (1) << bits, at = 5 * cluster + 7;
    uint64_t sectors = (UINT64_C (1) << (bits - 8)) - 1;
    uint64_t entry = COMPRESSED | sectors << (62 - (bits - 8)) | at;
    struct patch p[] = { { 20, 4, bits },         { 24, 8, 2 * cluster }, { 36, 4, 1 },
                         { 40, 8, 3 * cluster }, { 48, 8, cluster },     { 0, 0, 0 } };
    struct qcow2_header h;
    struct qcow2_disk disk;
    struct error err;
    struct seen s = { 0 };
    uint8_t raw[16] = { 0 };
    host_off table = { 4 * cluster };

    store_be64 (raw, entry);
    image_parse (&h, p, 16 * cluster);
    qcow2_active_disk (&h, &disk);
    assert_int_equal (qcow2_l2_walk (&h, &disk, 0, table, 0, raw, 2, collect, &s, &err), 0);
    assert_extent (&s.e[0], C, cluster, at, (sectors + 1) * 512 - (at & 511));
    assert_extent (&s.e[1], H, cluster, 0, 0);
  }
}

static void
a_snapshots_own_l1_table_holds_no_data (void **state)
{
  static const uint64_t entry = COPIED | 0x9000;
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err = { 0 };
  struct seen s = { 0 };
  uint8_t raw[8];

  (void)state;
  store_be64 (raw, entry);
  image_parse (&h, none, IMAGE_LEN);
  qcow2_active_disk (&h, &disk);
  disk.l1.at.v = 0x9000;
  assert_int_equal (qcow2_l2_walk (&h, &disk, 0, l2_at, 0, raw, 1, collect, &s, &err), -1);
  assert_non_null (strstr (err.text, "snapshot's L1 table"));
}

/* ---- Extended L2 --------------------------------------------------------------------------- */

static const struct patch extended[] = { { 20, 4, 14 },     { 24, 8, 10 * 16384 },
                                         { 40, 8, 0xc000 }, { 48, 8, 0x4000 },
                                         { 36, 4, 1 },      { 72, 8, 16 },
                                         { 0, 0, 0 } };

/* An image of 16 KiB clusters, subclusters of 512 bytes: ENTRY with ALLOC and ZERO, then no more. */
static int
walk_extended (const struct qcow2_header *h, uint64_t entry, uint32_t alloc, uint32_t zero,
               struct seen *s, struct error *err)
{
  uint8_t raw[16];
  struct qcow2_disk disk;
  host_off at = { 0x10000 };

  memset (s, 0, sizeof *s);
  memset (err, 0, sizeof *err);
  store_be64 (raw, entry);
  store_be32 (raw + 8, zero);
  store_be32 (raw + 12, alloc);
  qcow2_active_disk (h, &disk);
  return qcow2_l2_walk (h, &disk, 0, at, 0, raw, 1, collect, s, err);
}

static void
subclusters_become_runs (void **state)
{
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, extended, 0x20000);
  assert_int_equal (walk_extended (&h, COPIED | 0x14000, 0xffffffff, 0, &s, &err), 0);
  assert_int_equal (s.n, 1);
  assert_extent (&s.e[0], D, 0x4000, 0x14000, 0x4000);
  assert_int_equal (walk_extended (&h, COPIED | 0x14000, 0xf0000003, 0x00000f00, &s, &err), 0);
  assert_int_equal (s.n, 5);
  assert_extent (&s.e[0], D, 1024, 0x14000, 1024);
  assert_extent (&s.e[1], H, 6 * 512, 0, 0);
  assert_extent (&s.e[2], Z, 4 * 512, 0x14000 + 8 * 512, 0);
  assert_extent (&s.e[3], H, 16 * 512, 0, 0);
  assert_extent (&s.e[4], D, 4 * 512, 0x14000 + 28 * 512, 4 * 512);
  assert_int_equal (walk_extended (&h, 0, 0, 0xffffffff, &s, &err), 0);
  assert_int_equal (s.n, 1);
  assert_extent (&s.e[0], Z, 0x4000, 0, 0);
  assert_int_equal (walk_extended (&h, 0, 0, 0, &s, &err), 0);
  assert_extent (&s.e[0], H, 0x4000, 0, 0);
}

static void
bit_0_is_no_zero_flag_in_an_extended_entry (void **state)
{
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, extended, 0x20000);
  assert_int_equal (walk_extended (&h, COPIED | 0x14001, 0xffffffff, 0, &s, &err), 0);
  assert_extent (&s.e[0], D, 0x4000, 0x14000, 0x4000);
}

static void
a_compressed_extended_entry_ignores_its_bitmap (void **state)
{
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, extended, 0x20000);
  assert_int_equal (walk_extended (&h, COMPRESSED | 0x14000, 7, 7, &s, &err), 0);
  assert_int_equal (s.n, 1);
  assert_extent (&s.e[0], C, 0x4000, 0x14000, 512);
}

static void
what_contradicts_itself_in_an_extended_entry_is_refused (void **state)
{
  static const struct {
    uint64_t entry;
    uint32_t alloc, zero;
    enum error_code want;
  } rows[] = {
    { COPIED | 0x14000, 1, 1, ERR_IMAGE_MALFORMED },
    { COPIED | 0x14000, 0x80000000, 0xffffffff, ERR_IMAGE_MALFORMED },
    { 0, 1, 0, ERR_IMAGE_MALFORMED },
    { 0, 1, 1, ERR_IMAGE_MALFORMED },
    { COPIED, 0, 0, ERR_IMAGE_MALFORMED },
    { COPIED | 0x14200, 0, 0, ERR_IMAGE_MALFORMED },
    { COPIED | 0x14002, 0, 0, ERR_IMAGE_MALFORMED },
    { COPIED | 0xc000, 0x80000000, 0, ERR_IMAGE_MALFORMED }, /* L1 */
    { COPIED | 0xc000, 0, 1, ERR_IMAGE_MALFORMED },
    { COPIED | 0x20000, 1, 0, ERR_IMAGE_TRUNCATED },
    { COPIED | 0x20000, 0, 1, ERR_NONE }, /* nothing is read there */
    { 0x20000, 0, 0, ERR_NONE },
  };
  struct qcow2_header h;
  size_t i;

  (void)state;
  image_parse (&h, extended, 0x20000);
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct error err;
    struct seen s;
    int rc = walk_extended (&h, rows[i].entry, rows[i].alloc, rows[i].zero, &s, &err);

    if (err.code != rows[i].want || (rc == 0) != (err.code == ERR_NONE))
      fail_msg ("row %zu: %d %s", i, rc, err.text);
  }
}

static void
of_a_cut_cluster_only_allocated_subclusters_must_be_there (void **state)
{
  static const struct patch ends[] = { { 24, 8, 5 * 512 }, { 0, 0, 0 } };
  struct patch p[8];
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  memcpy (p, extended, sizeof extended);
  image_parse (&h, p, 0x20000 + 3 * 512);
  assert_int_equal (walk_extended (&h, COPIED | 0x20000, 5, 0, &s, &err), 0);
  assert_int_equal (s.n, 4);
  assert_extent (&s.e[2], D, 512, 0x20000 + 1024, 512);
  image_parse (&h, p, 0x20000 + 3 * 512 - 1);
  assert_int_equal (walk_extended (&h, COPIED | 0x20000, 5, 0, &s, &err), -1);
  assert_int_equal (err.code, ERR_IMAGE_TRUNCATED);
  p[1] = ends[0]; /* the guest ends within the run */
  image_parse (&h, p, 0x20000 + 5 * 512);
  assert_int_equal (walk_extended (&h, COPIED | 0x20000, 0xffffffff, 0, &s, &err), 0);
  assert_int_equal (s.n, 1);
  assert_extent (&s.e[0], D, 5 * 512, 0x20000, 5 * 512);
}

static void
extended_entries_that_are_alike_are_one_extent (void **state)
{
  static const struct {
    uint64_t entry;
    uint32_t zero, alloc;
  } table[] = {
    { COPIED | 0x14000, 0, 0xffffffff },
    { 0x18000, 0, 0xffffffff },
    { COPIED | 0x1c000, 0, 0x0000ffff }, /* the data goes on for half a cluster */
    { 0, 0, 0 },
    { 0, 0, 0 },
    { 0, 0xffffffff, 0 },
    { 0, 0xffffffff, 0 },
    { 0, 0xffff0000, 0 },
    { 0, 0xffff0000, 0 },
    { COPIED | 0x18001, 0, 0xffffffff },
  };
  struct qcow2_header h;
  struct qcow2_disk disk;
  struct error err;
  struct seen s = { 0 };
  host_off at = { 0x10000 };
  uint8_t raw[10 * 16];
  size_t i;

  (void)state;
  for (i = 0; i < 10; i++) {
    store_be64 (raw + 16 * i, table[i].entry);
    store_be32 (raw + 16 * i + 8, table[i].zero);
    store_be32 (raw + 16 * i + 12, table[i].alloc);
  }
  image_parse (&h, extended, 0x20000);
  qcow2_active_disk (&h, &disk);
  assert_int_equal (qcow2_l2_walk (&h, &disk, 0, at, 0, raw, 10, collect, &s, &err), 0);
  assert_int_equal (s.n, 8);
  assert_extent (&s.e[0], D, 0xa000, 0x14000, 0xa000);
  assert_extent (&s.e[1], H, 0xa000, 0, 0);
  assert_extent (&s.e[2], Z, 0x8000, 0, 0);
  assert_extent (&s.e[3], H, 0x2000, 0, 0);
  assert_extent (&s.e[4], Z, 0x2000, 0, 0);
  assert_extent (&s.e[5], H, 0x2000, 0, 0);
  assert_extent (&s.e[6], Z, 0x2000, 0, 0);
  assert_extent (&s.e[7], D, 0x4000, 0x18000, 0x4000);
}

static void
a_run_ends_where_the_file_does (void **state)
{
  static const uint64_t entries[] = { 0x1f000, 0x20000, 0x21000 };
  struct qcow2_header h;
  struct error err;
  struct seen s;

  (void)state;
  image_parse (&h, none, IMAGE_LEN);
  assert_int_equal (walk (&h, entries, 2, &s, &err), 0);
  assert_extent (&s.e[0], D, 0x2000, 0x1f000, 0x2000);
  assert_int_equal (walk (&h, entries, 3, &s, &err), -1);
  assert_non_null (strstr (err.text, "L2 entry at byte 16400")); /* the third is blamed */
  image_parse (&h, none, QCOW2_LEN_UNKNOWN);
  {
    static const uint64_t far[] = { 0x00fffffffffff000, 0x0100000000000000 };

    assert_int_equal (walk (&h, far, 1, &s, &err), 0);
    assert_int_equal (walk (&h, far, 2, &s, &err), -1);
    assert_non_null (strstr (err.text, "reserved bits"));
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_l1_row_of_the_table),
    cmocka_unit_test (of_a_cut_l2_table_only_what_is_used_must_be_there),
    cmocka_unit_test (an_l1_entry_without_table_is_a_hole),
    cmocka_unit_test (every_l2_row_of_the_table),
    cmocka_unit_test (a_zero_flag_in_version_2_is_refused),
    cmocka_unit_test (neighbours_stored_alike_are_one_extent),
    cmocka_unit_test (a_table_may_come_in_pieces),
    cmocka_unit_test (the_last_cluster_may_be_cut_where_the_guest_ends),
    cmocka_unit_test (a_compressed_cluster_may_lose_less_than_a_sector),
    cmocka_unit_test (an_emitter_ends_the_walk),
    cmocka_unit_test (every_cluster_size_unpacks_its_compressed_descriptor),
    cmocka_unit_test (a_snapshots_own_l1_table_holds_no_data),
    cmocka_unit_test (subclusters_become_runs),
    cmocka_unit_test (bit_0_is_no_zero_flag_in_an_extended_entry),
    cmocka_unit_test (a_compressed_extended_entry_ignores_its_bitmap),
    cmocka_unit_test (what_contradicts_itself_in_an_extended_entry_is_refused),
    cmocka_unit_test (extended_entries_that_are_alike_are_one_extent),
    cmocka_unit_test (a_run_ends_where_the_file_does),
    cmocka_unit_test (of_a_cut_cluster_only_allocated_subclusters_must_be_there),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
