/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The map goes in, is checked, cut, merged and sealed, and comes out as it went in: to the
 * reader, to an auditor, and in guest order.
 */
#include "journal-fixture.h"

#include "journal/map_build.h"

enum { GUEST = 64 << 20 };

static void
add (struct fixture *f, struct journal_map *m, struct extent e)
{
  OK (f, journal_map_add (m, &e, &f->err));
}

static struct journal_map *
map_of (struct fixture *f)
{
  struct journal_map *m = NULL;

  OK (f, journal_map_begin (&m, f->j, &f->imp, f->layers, &f->err));
  return m;
}

static void
table (struct fixture *f, struct journal_map *m, uint64_t at, uint64_t len)
{
  OK (f, journal_map_table (m, 0, (struct host_range){ { at }, len }, "L2 table", &f->err));
}

static size_t
read_segments (struct fixture *f, struct segment *out, size_t max)
{
  OWN (journal_reader) r = NULL;
  size_t n;

  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  OK (f, journal_segments (r, 0, out, max, &n, &f->err));
  return n;
}

/* Of all segments, as many as fit. */
static size_t
read_extents (struct fixture *f, struct extent *out, size_t max)
{
  OWN (journal_reader) r = NULL;
  struct segment seg[32];
  size_t k, n = 0, some, segments = read_segments (f, seg, 32);
  uint64_t i;

  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  for (k = 0; k < segments; k++)
    for (i = 0; i < seg[k].extents && n < max; i += some, n += some)
      OK (f, journal_extents (r, &seg[k], i, out + n, max - n, &some, &f->err));
  return n;
}

static void
same (const struct extent *a, const struct extent *b)
{
  assert_int_equal (a->kind, b->kind);
  assert_int_equal (a->layer, b->layer);
  assert_int_equal (a->guest.v, b->guest.v);
  assert_int_equal (a->len, b->len);
  assert_int_equal (a->host.v, b->host.v);
  assert_int_equal (a->stored, b->stored);
  assert_int_equal (a->skip, b->skip);
}

/* A disk of 64 MiB: 6 MiB of data in two touching runs over a border, a compressed cluster that
 * reaches over the next border, zeros, holes; the rest is a hole. */
static void
put_small_map (struct fixture *f, struct journal_map *m)
{
  struct extent c = compressed_at (6 << 20, 2 * PIECE - 1000, 3000 + 72);

  c.len = 512;
  c.skip = 1024;
  table (f, m, 0, CLUSTER);
  table (f, m, CLUSTER, CLUSTER);
  add (f, m, data_at (0, 3 << 20, 1 << 20));
  add (f, m, data_at (3 << 20, 3 << 20, 4 << 20));
  add (f, m, c);
  add (f, m, zero_at (EXTENT_ZERO, (6 << 20) + 512, 512));
  add (f, m, zero_at (EXTENT_ZERO, (6 << 20) + 1024, CLUSTER - 1024));
  add (f, m, zero_at (EXTENT_HOLE, (6 << 20) + CLUSTER, 1 << 20));
  add (f, m, zero_at (EXTENT_HOLE, (7 << 20) + CLUSTER, GUEST - (7 << 20) - CLUSTER));
}

static void
seal_small_map (struct fixture *f)
{
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  put_small_map (f, m);
  OK (f, journal_map_seal (m, &f->imp, &f->err));
}

static void
a_map_comes_out_as_it_went_in (void **state)
{
  struct fixture *f = *state;
  struct segment s[8];
  struct extent e[8], z[8];
  struct extent want[] = { data_at (0, 3 << 20, 1 << 20), data_at (3 << 20, 3 << 20, 4 << 20),
                           compressed_at (6 << 20, 2 * PIECE - 1000, 3072) };
  OWN (journal_reader) r = NULL;
  size_t n, i;

  want[2].len = 512;
  want[2].skip = 1024;
  seal_small_map (f);
  assert_true (f->imp.sealed);
  assert_int_equal (f->imp.now.state, IMPORT_MAPPED);
  assert_int_equal (f->imp.segments, 2);
  assert_int_equal (f->imp.extents, 3);
  assert_int_equal (f->imp.zero_runs, 2);
  assert_int_equal (f->imp.guest_total, GUEST);
  assert_int_equal (f->imp.image_total, (3 << 20) + PIECE - 1000 + 3072);
  assert_int_equal (f->imp.need_max, PIECE - 1000 + 3072);

  assert_int_equal (read_segments (f, s, 8), 2);
  assert_int_equal (s[0].at.v, 0);
  assert_int_equal (s[0].need.at.v, 1 << 20);
  assert_int_equal (s[0].need.len, 3 << 20);
  assert_int_equal (s[0].committed_to.v, 1 << 20);
  assert_int_equal (s[1].at.v, PIECE);
  assert_int_equal (s[1].first_extent, 1);
  assert_int_equal (s[1].extents, 2);
  assert_int_equal (s[1].guest_bytes, (3 << 20) + 512);
  assert_int_equal (host_end (s[1].need), 2 * PIECE - 1000 + 3072);

  assert_int_equal (read_extents (f, e, 8), 3);
  for (i = 0; i < 3; i++)
    same (&e[i], &want[i]);
  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  OK (f, journal_extents (r, &s[1], 1, e, 8, &n, &f->err));
  assert_int_equal (n, 1);
  same (&e[0], &want[2]);
  OK (f, journal_zeros (r, 0, z, 8, &n, &f->err));
  assert_int_equal (n, 2);
  assert_int_equal (z[0].kind, EXTENT_ZERO);
  assert_int_equal (z[0].len, CLUSTER - 512);
  assert_int_equal (z[1].kind, EXTENT_HOLE);
  assert_int_equal (extent_guest_end (&z[1]), GUEST);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

struct seen {
  struct extent e[16];
  size_t n;
};

static int
see (void *ctx, const struct extent *e, struct error *err)
{
  struct seen *s = ctx;

  (void)err;
  assert_true (s->n < 16);
  s->e[s->n++] = *e;
  return 0;
}

static void
in_guest_order_borders_of_segments_do_not_show (void **state)
{
  struct fixture *f = *state;
  struct seen s = { .n = 0 };
  struct extent run = data_at (0, 6 << 20, 1 << 20);

  seal_small_map (f);
  OK (f, journal_map_each (f->j, &f->imp, see, &s, &f->err));
  assert_int_equal (s.n, 4);
  same (&s.e[0], &run);
  assert_int_equal (s.e[1].kind, EXTENT_COMPRESSED);
  assert_int_equal (s.e[1].skip, 1024);
  assert_int_equal (s.e[2].kind, EXTENT_ZERO);
  assert_int_equal (s.e[3].kind, EXTENT_HOLE);
}

static void
a_kept_hole_is_no_work_but_on_the_map (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  struct seen s = { .n = 0 };

  fixture_describe (f, GUEST);
  f->imp.keep_holes = true;
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  m = map_of (f);
  add (f, m, zero_at (EXTENT_HOLE, 0, 1 << 20));
  add (f, m, data_at (1 << 20, 1 << 20, 0));
  add (f, m, zero_at (EXTENT_HOLE, 2 << 20, GUEST - (2 << 20)));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  assert_int_equal (f->imp.guest_total, 1 << 20);
  assert_int_equal (f->imp.zero_runs, 0);
  OK (f, journal_map_each (f->j, &f->imp, see, &s, &f->err));
  assert_int_equal (s.n, 3);
  assert_int_equal (s.e[0].kind, EXTENT_HOLE);
  assert_int_equal (s.e[0].len, 1 << 20);
  assert_int_equal (extent_guest_end (&s.e[2]), GUEST);
}

static void
auditors_see_nothing_before_the_seal_and_all_after (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  put_small_map (f, m);
  assert_string_equal (fixture_ask (f, "SELECT count (*) FROM cluster_state"), "0");
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  assert_string_equal (
      fixture_ask (f, "SELECT layer, guest_offset, length, kind, host_offset, stored_length,"
                      " committed FROM cluster_state ORDER BY guest_offset"),
      "0|0|3145728|data|1048576|3145728|0\n"
      "0|3145728|3145728|data|4194304|3145728|0\n"
      "0|6291456|512|compressed|8387608|3072|0\n"
      "0|6291968|65024|zero||0|0\n"
      "0|6356992|60751872|zero||0|0");
  assert_string_equal (fixture_ask (f, "SELECT DISTINCT import_id FROM cluster_state"),
                       f->imp.id);
}

static void
with_a_hash_every_piece_of_the_file_is_needed (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  struct segment s[8];
  size_t i;

  fixture_describe (f, GUEST);
  f->imp.hash_image = true;
  f->layers[0].length = 4 * PIECE + 100;
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  m = map_of (f);
  add (f, m, data_at (0, CLUSTER, PIECE + CLUSTER));
  add (f, m, compressed_at (CLUSTER, 2 * PIECE - 512, 1024));
  add (f, m, data_at (2 * CLUSTER, CLUSTER, 3 * PIECE));
  add (f, m, zero_at (EXTENT_HOLE, 3 * CLUSTER, GUEST - 3 * CLUSTER));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  assert_int_equal (read_segments (f, s, 8), 5);
  for (i = 0; i < 5; i++) {
    assert_int_equal (s[i].at.v, i * PIECE);
    assert_int_equal (s[i].need.at.v, i * PIECE);
    assert_int_equal (s[i].committed_to.v, i * PIECE);
  }
  assert_int_equal (s[0].extents, 0);
  assert_int_equal (s[1].need.len, PIECE + 512);
  assert_int_equal (s[1].extents, 2);
  assert_int_equal (s[2].first_extent, 2);
  assert_int_equal (s[4].need.len, 100);
  assert_int_equal (f->imp.image_total, 4 * PIECE + 100);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

/* ---- Overlaps ---------------------------------------------------------------------------- */

/* TABLE at [1 MiB, +64 KiB); DATA somewhere. */
static int
seal_with (struct fixture *f, struct extent e)
{
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  table (f, m, 1 << 20, CLUSTER);
  add (f, m, e);
  add (f, m, zero_at (EXTENT_HOLE, CLUSTER, GUEST - CLUSTER));
  return journal_map_seal (m, &f->imp, &f->err);
}

static void
table_over_data (void **state)
{
  FAILS ((struct fixture *)*state, ERR_IMAGE_MALFORMED,
         seal_with (*state, data_at (0, CLUSTER, (1 << 20) - 512)));
}

static void
data_over_table (void **state)
{
  struct fixture *f = *state;

  FAILS (f, ERR_IMAGE_MALFORMED, seal_with (*state, data_at (0, CLUSTER, (1 << 20) + 512)));
  assert_non_null (strstr (f->err.text, "L2 table"));
  assert_non_null (strstr (f->err.text, "1048576"));
  assert_non_null (strstr (f->err.text, "1049088"));
}

static void
data_beside_table (void **state)
{
  struct fixture *f = *state;

  OK (f, seal_with (f, data_at (0, CLUSTER, (1 << 20) + CLUSTER)));
}

static void
padding_of_a_compressed_cluster_may_touch_a_table (void **state)
{
  struct fixture *f = *state;

  OK (f, seal_with (f, compressed_at (0, (1 << 20) - 1000, 1000 + 511)));
}

static void
compressed_bytes_may_not_touch_a_table (void **state)
{
  FAILS ((struct fixture *)*state, ERR_IMAGE_MALFORMED,
         seal_with (*state, compressed_at (0, (1 << 20) - 1000, 1000 + 512)));
}

static void
two_tables_at_one_place_or_overlapping (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  struct host_range r = { { 1 << 20 }, CLUSTER };

  fixture_begin (f, GUEST);
  m = map_of (f);
  table (f, m, 1 << 20, CLUSTER);
  FAILS (f, ERR_IMAGE_MALFORMED, journal_map_table (m, 0, r, "L1 table", &f->err));
  table (f, m, (1 << 20) + 512, CLUSTER);
  add (f, m, zero_at (EXTENT_HOLE, 0, GUEST));
  FAILS (f, ERR_IMAGE_MALFORMED, journal_map_seal (m, &f->imp, &f->err));
}

static void
a_long_extent_hides_no_later_overlap (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  add (f, m, data_at (0, 2 << 20, 0));               /* reaches over the table at 1 MiB */
  add (f, m, data_at (2 << 20, CLUSTER, 512 << 10)); /* shares, ends before it */
  add (f, m, zero_at (EXTENT_HOLE, (2 << 20) + CLUSTER, GUEST - (2 << 20) - CLUSTER));
  table (f, m, 1 << 20, CLUSTER);
  FAILS (f, ERR_IMAGE_MALFORMED, journal_map_seal (m, &f->imp, &f->err));
}

static void
guest_clusters_may_share_host_clusters (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  struct extent e[4];

  fixture_begin (f, GUEST);
  m = map_of (f);
  add (f, m, data_at (0, 2 * PIECE, PIECE));
  add (f, m, data_at (2 * PIECE, PIECE, PIECE + CLUSTER));
  add (f, m, zero_at (EXTENT_HOLE, 3 * PIECE, GUEST - 3 * PIECE));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  assert_int_equal (f->imp.extents, 4);
  assert_int_equal (read_extents (f, e, 4), 4);
  assert_int_equal (e[0].host.v, PIECE);
  assert_int_equal (e[1].host.v, PIECE + CLUSTER);
  assert_int_equal (e[1].guest.v, 2 * PIECE);
  assert_int_equal (e[2].host.v, 2 * PIECE);
  assert_int_equal (e[2].guest.v, PIECE);
  assert_int_equal (e[3].len, CLUSTER);
}

static void
a_map_with_a_gap_is_refused (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  add (f, m, data_at (0, CLUSTER, 0));
  add (f, m, zero_at (EXTENT_HOLE, 2 * CLUSTER, GUEST - 2 * CLUSTER));
  FAILS (f, ERR_INTERNAL, journal_map_seal (m, &f->imp, &f->err));
}

/* ---- The digest -------------------------------------------------------------------------- */

static void
the_digest_does_not_depend_on_order_or_cutting (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  OWN (journal_map) back = NULL;
  uint8_t digest[DIGEST_SIZE];
  struct extent c = compressed_at (6 << 20, 2 * PIECE - 1000, 3072);
  uint64_t at;

  c.len = 512;
  c.skip = 1024;
  seal_small_map (f);
  m = map_of (f);
  put_small_map (f, m);
  OK (f, journal_map_digest (m, digest, &f->err));
  assert_memory_equal (digest, f->imp.map_digest, DIGEST_SIZE);

  back = map_of (f);
  add (f, back, c);
  for (at = 6 << 20; at > 0; at -= CLUSTER)
    add (f, back, data_at (at - CLUSTER, CLUSTER, at - CLUSTER + (1 << 20)));
  add (f, back, zero_at (EXTENT_HOLE, (6 << 20) + CLUSTER, GUEST - (6 << 20) - CLUSTER));
  add (f, back, zero_at (EXTENT_ZERO, (6 << 20) + 512, CLUSTER - 512));
  OK (f, journal_map_digest (back, digest, &f->err));
  assert_memory_equal (digest, f->imp.map_digest, DIGEST_SIZE);
  OK (f, journal_map_seal (back, &f->imp, &f->err)); /* sealed already: the same */
}

static void
another_map_is_not_sealed_over_a_sealed_one (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;

  seal_small_map (f);
  m = map_of (f);
  add (f, m, data_at (0, CLUSTER, 0));
  add (f, m, zero_at (EXTENT_HOLE, CLUSTER, GUEST - CLUSTER));
  FAILS (f, ERR_SOURCE_CHANGED, journal_map_seal (m, &f->imp, &f->err));
  OK (f, journal_find (f->j, f->imp.id, &f->imp, &f->err));
  assert_int_equal (f->imp.extents, 3);
}

static void
a_changed_row_is_found (void **state)
{
  struct fixture *f = *state;

  seal_small_map (f);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
  fixture_write (f, "UPDATE extent SET guest = guest + 1 WHERE host = 0");
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_check (f->path, f->imp.no, NULL, &f->err));
  fixture_write (f, "UPDATE extent SET guest = guest - 1 WHERE host = 0");
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
  fixture_write (f, "UPDATE import SET segments_committed = 1");
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_check (f->path, f->imp.no, NULL, &f->err));
}

static int
read_first (struct fixture *f, const struct segment *seg)
{
  OWN (journal_reader) r = NULL;
  struct extent e[8];
  size_t n;

  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  return journal_extents (r, seg, 0, e, 8, &n, &f->err);
}

/* Whoever works by the map does so before all of it is checked. */
static void
a_row_beyond_the_disk_is_not_handed_out (void **state)
{
  struct fixture *f = *state;
  struct segment seg;

  seal_small_map (f);
  assert_int_equal (read_segments (f, &seg, 1), 1);
  OK (f, read_first (f, &seg));
  fixture_write (f, "UPDATE extent SET guest = guest + 1048576");
  FAILS (f, ERR_JOURNAL_CORRUPT, read_first (f, &seg));
  fixture_write (f, "UPDATE extent SET guest = guest - 1048576");
  OK (f, read_first (f, &seg));
}

static void
nor_is_one_outside_of_its_segment (void **state)
{
  static const char *const spoils[][2]
      = { { "UPDATE extent SET host = host + 1048576",
            "UPDATE extent SET host = host - 1048576" },
          { "UPDATE extent SET len = len + 4096", "UPDATE extent SET len = len - 4096" } };
  OWN (journal_reader) r = NULL;
  struct fixture *f = *state;
  struct segment seg;
  struct extent e;
  size_t i, n;

  seal_small_map (f);
  assert_int_equal (read_segments (f, &seg, 1), 1);
  for (i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
    fixture_write (f, spoils[i][0]);
    FAILS (f, ERR_JOURNAL_CORRUPT, read_first (f, &seg));
    fixture_write (f, spoils[i][1]);
    OK (f, read_first (f, &seg));
  }
  seg.need.at.v++;
  FAILS (f, ERR_JOURNAL_CORRUPT, read_first (f, &seg));
  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  e = compressed_at (0, 0, 700);
  OK (f, journal_check_cluster (r, &e, CLUSTER, &f->err));
  e.skip = SECTOR;
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_check_cluster (r, &e, CLUSTER, &f->err));
  e.skip = UINT32_MAX;
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_check_cluster (r, &e, CLUSTER, &f->err));
  fixture_write (f, "UPDATE segment SET layer = 7");
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_segments (r, 0, &seg, 1, &n, &f->err));
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_claim (r, 0, 0, &seg, 1, &n, &f->err));
}

static int
read_all (struct fixture *f, uint64_t *n_compressed)
{
  OWN (journal_reader) r = NULL;
  struct segment seg[16];
  struct extent e[8];
  size_t n, i, k, got;

  if (journal_reader_open (&r, f->path, f->imp.no, &f->err) == -1
      || journal_segments (r, 0, seg, 16, &n, &f->err) == -1)
    return -1;
  for (i = 0; i < n; i++) {
    if (journal_extents (r, &seg[i], 0, e, 8, &got, &f->err) == -1)
      return -1;
    for (k = 0; k < got; k++)
      *n_compressed += e[k].kind == EXTENT_COMPRESSED;
  }
  return 0;
}

static int
no_extent (void *ctx, const struct extent *e, struct error *err)
{
  (void)ctx;
  (void)e;
  (void)err;
  return 0;
}

/* Who decodes has room for a cluster. */
static void
nor_is_more_than_a_cluster_or_less_than_nothing (void **state)
{
  static const char *const spoils[] = {
    "UPDATE extent SET skip = 65025 WHERE stored > 0",
    "UPDATE extent SET skip = 65536 WHERE stored > 0",
    "UPDATE extent SET skip = 4294967296 WHERE stored > 0",
    "UPDATE extent SET skip = -1 WHERE stored > 0",
    "UPDATE extent SET len = 129 WHERE stored > 0",
    "UPDATE extent SET len = 0",
    "UPDATE extent SET len = -8",
    "UPDATE layer SET cluster_size = 512",
    "DELETE FROM layer",
  };
  struct fixture *f = *state;
  uint64_t n = 0;
  size_t i;

  seal_small_map (f);
  OK (f, read_all (f, &n));
  assert_true (n > 0);
  for (i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
    fixture_write (f, "CREATE TABLE was AS SELECT * FROM extent;"
                      "CREATE TABLE were AS SELECT * FROM layer");
    fixture_write (f, spoils[i]);
    if (read_all (f, &n) == 0)
      fail_msg ("%s: is handed out", spoils[i]);
    assert_int_equal (f->err.code, ERR_JOURNAL_CORRUPT);
    fixture_write (f, "DELETE FROM extent; INSERT INTO extent SELECT * FROM was; DROP TABLE was;"
                      "DELETE FROM layer; INSERT INTO layer SELECT * FROM were;"
                      "DROP TABLE were");
    OK (f, read_all (f, &n));
  }
}

static void
nor_is_it_shown (void **state)
{
  struct fixture *f = *state;

  seal_small_map (f);
  OK (f, journal_map_each (f->j, &f->imp, no_extent, NULL, &f->err));
  fixture_write (f, "UPDATE extent SET guest = guest + (1 << 50)");
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_map_each (f->j, &f->imp, no_extent, NULL, &f->err));
  fixture_write (f, "UPDATE extent SET guest = guest - (1 << 50)");
  fixture_write (f, "UPDATE zero_run SET layer = -1");
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_map_each (f->j, &f->imp, no_extent, NULL, &f->err));
}

static void
an_extent_that_is_missing_is_told (void **state)
{
  struct fixture *f = *state;
  struct segment seg;

  seal_small_map (f);
  assert_int_equal (read_segments (f, &seg, 1), 1);
  fixture_write (
      f, "UPDATE extent SET key = key + 100 WHERE key = (SELECT min (key) FROM extent)");
  FAILS (f, ERR_JOURNAL_CORRUPT, read_first (f, &seg));
}

static void
a_check_can_be_stopped (void **state)
{
  struct fixture *f = *state;
  atomic_bool stop = true;

  seal_small_map (f);
  FAILS (f, ERR_INTERRUPTED, journal_check (f->path, f->imp.no, &stop, &f->err));
}

/* ---- Streams ----------------------------------------------------------------------------- */

static void
begin_stream (struct fixture *f)
{
  fixture_describe (f, GUEST);
  f->imp.stream = true;
  f->layers[0].length = UINT64_MAX;
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
}

/* Two L2 tables whose data share a piece; between them the first's data is taken. */
static void
run_stream (struct fixture *f, struct journal_map *m, struct segment s[3])
{
  struct host_range all = { { 0 }, GUEST };

  add (f, m, data_at (0, 5 << 20, 0));
  add (f, m, zero_at (EXTENT_ZERO, 5 << 20, 1 << 20));
  OK (f, journal_map_take (m, 0, all, &s[0], &f->err));
  OK (f, journal_map_take (m, 0, all, &s[1], &f->err));
  assert_int_equal (journal_map_take (m, 0, all, &s[2], &f->err), 1);
  add (f, m, compressed_at (6 << 20, 6 << 20, 700));
  add (f, m, zero_at (EXTENT_HOLE, (6 << 20) + CLUSTER, GUEST - (6 << 20) - CLUSTER));
  OK (f, journal_map_take (m, 0, all, &s[2], &f->err));
}

static void
a_stream_is_sealed_piece_by_piece_and_found_again (void **state)
{
  struct fixture *f = *state;
  struct segment s[3], again[3];
  struct segment_progress done
      = { .ord = 1, .committed_to = { 5 << 20 }, .committed_extents = 1, .committed = true };
  struct import_progress p = { .segments_committed = 1, .guest_committed = 1 << 20 };
  struct journal_map *m;

  begin_stream (f);
  m = map_of (f);
  run_stream (f, m, s);
  assert_int_equal (s[0].guest_bytes, PIECE);
  assert_int_equal (s[1].guest_bytes, 1 << 20);
  assert_int_equal (s[2].at.v, PIECE);
  assert_int_equal (s[2].first_extent, 2);
  OK (f, journal_set_target (f->j, f->imp.no, "kind=file", &f->err));
  OK (f, journal_commit (f->j, f->imp.no, &done, 1, &p, &f->err));
  assert_string_equal (fixture_ask (f, "SELECT guest_offset, committed FROM cluster_state"
                                       " WHERE kind <> 'zero' ORDER BY 1"),
                       "0|0\n4194304|1\n6291456|0");
  journal_map_close (m);
  OK (f, journal_find (f->j, f->imp.id, &f->imp, &f->err));
  assert_int_equal (f->imp.segments, 3);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));

  m = map_of (f);
  run_stream (f, m, again);
  assert_true (again[1].committed);
  assert_false (again[2].committed);
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  assert_true (f->imp.sealed);
  assert_int_equal (f->imp.zero_runs, 2);
  assert_int_equal (f->imp.guest_total, GUEST);
  journal_map_close (m);

  m = map_of (f); /* and once more, when it was sealed */
  run_stream (f, m, again);
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  journal_map_close (m);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

static void
a_stream_that_changed_is_refused (void **state)
{
  struct fixture *f = *state;
  struct host_range all = { { 0 }, GUEST };
  struct segment s[3];
  struct journal_map *m;

  begin_stream (f);
  m = map_of (f);
  run_stream (f, m, s);
  journal_map_close (m);
  m = map_of (f);
  add (f, m, data_at (CLUSTER, 5 << 20, 0));
  FAILS (f, ERR_SOURCE_CHANGED, journal_map_take (m, 0, all, &s[0], &f->err));
  journal_map_close (m);
}

static void
a_stream_has_the_digest_of_the_same_map_read_by_ranges (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  OWN (journal_map) n = NULL;
  struct segment s[3];
  uint8_t stream[DIGEST_SIZE], ranges[DIGEST_SIZE];

  begin_stream (f);
  m = map_of (f);
  run_stream (f, m, s);
  OK (f, journal_map_digest (m, stream, &f->err));
  f->imp.stream = false;
  n = map_of (f);
  add (f, n, data_at (0, 5 << 20, 0));
  add (f, n, zero_at (EXTENT_ZERO, 5 << 20, 1 << 20));
  add (f, n, compressed_at (6 << 20, 6 << 20, 700));
  add (f, n, zero_at (EXTENT_HOLE, (6 << 20) + CLUSTER, GUEST - (6 << 20) - CLUSTER));
  OK (f, journal_map_digest (n, ranges, &f->err));
  assert_memory_equal (stream, ranges, DIGEST_SIZE);
}

/* ---- Size and speed ---------------------------------------------------------------------- */

enum { MANY = 200000 };

/* Scattered over a disk of 1 TiB: no two of them touch; every other one is compressed. */
static void
put_many (struct fixture *f, struct journal_map *m, uint64_t n, bool shuffled)
{
  uint64_t i, guest, at = 0, host = 0;

  for (i = 0; i < n; i++) {
    uint64_t place = shuffled ? i * 77777 % n : i;

    guest = place * 5 * CLUSTER;
    host = shuffled ? i * 99991 % n * 2 * CLUSTER : i * 2 * CLUSTER;
    add (f, m,
         i % 2 == 0 ? data_at (guest, CLUSTER, host) : compressed_at (guest, host + 37, 30000));
    at = guest > at ? guest : at;
    if (place > 0 && !shuffled)
      add (f, m, zero_at (EXTENT_HOLE, guest - 4 * CLUSTER, 4 * CLUSTER));
  }
  if (shuffled)
    for (i = 1; i < n; i++)
      add (f, m, zero_at (EXTENT_HOLE, i * 5 * CLUSTER - 4 * CLUSTER, 4 * CLUSTER));
}

static void
seal_many (struct fixture *f, uint64_t n, bool shuffled)
{
  OWN (journal_map) m = NULL;
  int64_t begun, staged, sealed;

  fixture_begin (f, (n - 1) * 5 * CLUSTER + CLUSTER);
  begun = monotonic_ms ();
  m = map_of (f);
  put_many (f, m, n, shuffled);
  staged = monotonic_ms ();
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  sealed = monotonic_ms ();
  print_message (
      "# %" PRIu64 " extents %s: staged in %" PRId64 " ms, sealed in %" PRId64 " ms\n", n,
      shuffled ? "in any order" : "in host order", staged - begun, sealed - staged);
}

static void
an_extent_costs_at_most_32_bytes (void **state)
{
  struct fixture *f = *state;
  long bytes;

  seal_many (f, MANY, true);
  assert_int_equal (f->imp.extents, MANY);
  bytes = atol (fixture_ask (f, "SELECT sum (pgsize) FROM dbstat WHERE name = 'extent'"));
  print_message ("# %.2f bytes an extent\n", (double)bytes / MANY);
  assert_in_range (bytes, 1, 32 * MANY);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

static void
host_order_gives_the_same_rows (void **state)
{
  struct fixture *f = *state;

  seal_many (f, 26000, false);
  assert_int_equal (f->imp.extents, 26000);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

/* In memory, in the temporary database, or first here and then there. */
static void
where_a_map_is_kept_makes_no_difference (void **state)
{
  static const size_t most[] = { 1000, 1001, 999, 1, 0 };
  struct fixture *f = *state;
  uint8_t digest[DIGEST_SIZE], first[2][DIGEST_SIZE]; /* in host order, and not */
  size_t i, k;

  fixture_begin (f, 999 * 5 * CLUSTER + CLUSTER);
  for (i = 0; i < 2 * sizeof most / sizeof most[0]; i++) {
    OWN (journal_map) m = map_of (f);

    m->few.most = most[i / 2];
    k = i % 2;
    put_many (f, m, 1000, k == 1);
    assert_int_equal (m->few.most > 0, most[i / 2] >= 1000);
    OK (f, journal_map_digest (m, i < 2 ? first[k] : digest, &f->err));
    if (i >= 2)
      assert_memory_equal (digest, first[k], DIGEST_SIZE);
    OK (f, journal_map_seal (m, &f->imp, &f->err));
    assert_memory_equal (f->imp.map_digest, first[k], DIGEST_SIZE);
    assert_int_equal (f->imp.extents, 1000);
    OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
    OK (f, journal_unseal (f->j, f->imp.no, &f->err));
    f->imp.sealed = false;
  }
}

/* Neighbours that come in any order are merged when they are stored, over borders too. */
static void
what_is_kept_is_what_is_stored (void **state)
{
  static const uint64_t order[] = { 5, 1, 0, 2, 67, 63, 64, 62, 65, 7, 6, 40 };
  enum { N = sizeof order / sizeof order[0] };
  struct extent rows[2 * N], *kept;
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  size_t i, n, n_kept;

  fixture_begin (f, GUEST);
  f->imp.keep_holes = true;
  m = map_of (f);
  for (i = 0; i < N; i++)
    add (f, m, data_at (order[i] * CLUSTER, CLUSTER, order[i] * CLUSTER));
  add (f, m, compressed_at (100 * CLUSTER, 80 * CLUSTER, 500));
  add (f, m, compressed_at (101 * CLUSTER, 30 * CLUSTER, 700));
  assert_null (journal_map_keep (m, &n));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  kept = journal_map_keep (m, &n_kept);
  assert_non_null (kept);
  n = read_extents (f, rows, 2 * N);
  assert_true (n < N + 2);
  assert_int_equal (n_kept, n);
  for (i = 0; i < n; i++)
    same (&kept[i], &rows[i]);
  assert_null (journal_map_keep (m, &n));
  free (kept);
}

/* Every second sector of the guest, all of them one sector of the file. */
static int
add_pieces (struct fixture *f, struct journal_map *m, uint64_t n)
{
  struct extent e;
  uint64_t i;

  for (i = 0; i < n; i++) {
    e = data_at (2 * i * SECTOR, SECTOR, 64 * CLUSTER);
    if (journal_map_add (m, &e, &f->err) == -1)
      return -1;
  }
  return 0;
}

static void
far_more_pieces_than_the_tables_have_entries_are_refused (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;

  fixture_begin (f, GUEST);
  m = map_of (f);
  assert_true (m->paid.pieces_free >= 1 << 25);
  m->paid.pieces_free = 100;
  table (f, m, CLUSTER, 8 * 1000);
  OK (f, add_pieces (f, m, 1100));
  FAILS (f, ERR_IMAGE_TOO_LARGE, add_pieces (f, m, 10));
  assert_non_null (strstr (f->err.text, "pieces, for tables of 8000 bytes"));
}

static void
what_shares_bytes_needs_them_once (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  uint64_t bytes;

  fixture_begin (f, GUEST);
  m = map_of (f);
  OK (f, add_pieces (f, m, 1000));
  OK (f, journal_map_needs (m, &bytes, &f->err));
  assert_int_equal (bytes, SECTOR);
  add (f, m, data_at (GUEST / 2, CLUSTER, 0)); /* in no order any more */
  add (f, m, data_at (GUEST / 2 + CLUSTER, CLUSTER, 64 * CLUSTER - SECTOR));
  OK (f, journal_map_needs (m, &bytes, &f->err));
  assert_int_equal (bytes, 2 * CLUSTER);
}

/* Extents are stored ROWS_MAX at a time. */
static void
a_segment_of_any_number_of_extents_is_stored (void **state)
{
  static const size_t numbers[] = { 1, ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 1, 3 * ROWS_MAX };
  static struct extent e[3 * ROWS_MAX + 1];
  struct fixture *f = *state;
  size_t i, k;

  for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    OWN (journal_map) m = NULL;

    fixture_begin (f, numbers[i] * CLUSTER);
    m = map_of (f);
    for (k = numbers[i]; k > 0; k--)
      add (f, m, compressed_at ((k - 1) * CLUSTER, (k - 1) * 600, 500));
    OK (f, journal_map_seal (m, &f->imp, &f->err));
    assert_int_equal (f->imp.segments, 1);
    assert_int_equal (read_extents (f, e, 3 * ROWS_MAX + 1), numbers[i]);
    for (k = 0; k < numbers[i]; k++) {
      struct extent want = compressed_at (k * CLUSTER, k * 600, 500);

      same (&e[k], &want);
    }
    OK (f, journal_release (f->j, f->imp.no, IMPORT_FAILED, NULL, &f->err));
    OK (f, fixture_forget (f, f->j, &f->imp));
  }
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (a_map_comes_out_as_it_went_in),
    TEST (in_guest_order_borders_of_segments_do_not_show),
    TEST (a_kept_hole_is_no_work_but_on_the_map),
    TEST (auditors_see_nothing_before_the_seal_and_all_after),
    TEST (with_a_hash_every_piece_of_the_file_is_needed),
    TEST (table_over_data),
    TEST (data_over_table),
    TEST (data_beside_table),
    TEST (padding_of_a_compressed_cluster_may_touch_a_table),
    TEST (compressed_bytes_may_not_touch_a_table),
    TEST (two_tables_at_one_place_or_overlapping),
    TEST (a_long_extent_hides_no_later_overlap),
    TEST (guest_clusters_may_share_host_clusters),
    TEST (a_map_with_a_gap_is_refused),
    TEST (the_digest_does_not_depend_on_order_or_cutting),
    TEST (another_map_is_not_sealed_over_a_sealed_one),
    TEST (a_changed_row_is_found),
    TEST (a_row_beyond_the_disk_is_not_handed_out),
    TEST (nor_is_one_outside_of_its_segment),
    TEST (nor_is_more_than_a_cluster_or_less_than_nothing),
    TEST (nor_is_it_shown),
    TEST (an_extent_that_is_missing_is_told),
    TEST (a_check_can_be_stopped),
    TEST (a_stream_is_sealed_piece_by_piece_and_found_again),
    TEST (a_stream_that_changed_is_refused),
    TEST (a_stream_has_the_digest_of_the_same_map_read_by_ranges),
    TEST (an_extent_costs_at_most_32_bytes),
    TEST (host_order_gives_the_same_rows),
    TEST (where_a_map_is_kept_makes_no_difference),
    TEST (what_is_kept_is_what_is_stored),
    TEST (far_more_pieces_than_the_tables_have_entries_are_refused),
    TEST (what_shares_bytes_needs_them_once),
    TEST (a_segment_of_any_number_of_extents_is_stored),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
