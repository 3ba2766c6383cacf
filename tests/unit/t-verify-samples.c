/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Is it still the image that the import began with, where no validator tells?  What of it is
 * committed is written into the journal here, so that it is the same in every run: some
 * segments as a whole, others in part.
 */
#include "journal/journal.h" /* before cmocka, which has a macro named fail */

#include <inttypes.h>

#include "import-scene.h"

enum { KIB = 1024, MIB = 1 << 20, PREFIX = 256 * KIB, DISK = 6 * MIB };

#define SILENT "etag,none+modified,none"

struct begun {
  struct journal *j;
  struct journal_import imp;
  struct error err;
  uint8_t *disk;
};

#define must(b, call)                            \
  do {                                           \
    if ((call) != 0)                             \
      fail_msg ("%s: %s", #call, (b)->err.text); \
  } while (0)

static void
tell_lies (struct scene *sc, const char *lies)
{
  char line[128];

  snprintf (line, sizeof line, "echo '%s' >lies.new && mv lies.new lies", lies);
  scene_must_sh (sc, line);
}

/* ~/disk from a server without a validator, which fails when the first data is asked for: which
 * request that is, is found by trying. */
static void
begin (struct scene *sc, const char *words)
{
  char lies[64], all[128];
  unsigned n;

  scene_must_sh (sc, "truncate -s 1M raw; head -c 4M /dev/urandom >>raw; truncate -s 6M raw;"
                     "qemu-img convert -f raw -O qcow2 raw i");
  scene_serve (sc, "i");
  snprintf (all, sizeof all, "retry-time=0 connections=1 force %s", words);
  for (n = 2; n < 16; n++) {
    snprintf (lies, sizeof lies, SILENT "+status,503@%u-", n);
    tell_lies (sc, lies);
    scene_ends (sc, scene_do (sc, "start", "$/i", "~/disk", all), 3, "");
    if (scene_sh (sc, "test -e disk.qimport-part") == 0)
      return;
  }
  fail_msg ("no start gets as far as a part file");
}

static void
open_journal (struct scene *sc, struct begun *b)
{
  char *path = scene_words (sc, "~/journal.db"), *target = scene_words (sc, "~/disk");
  char *raw = scene_words (sc, "~/raw");
  FILE *f = fopen (raw, "r");

  b->disk = malloc (DISK);
  assert_true (b->disk != NULL && f != NULL);
  assert_int_equal (fread (b->disk, 1, DISK, f), DISK);
  fclose (f);
  must (b, journal_open (&b->j, path, JOURNAL_WRITE, &b->err));
  must (b, journal_find (b->j, target, &b->imp, &b->err));
  must (b, journal_hold (b->j, &b->imp, &b->err));
  assert_int_equal (b->imp.now.guest_committed, b->imp.now.zero_committed);
  free (path);
  free (target);
  free (raw);
}

static void
close_journal (struct begun *b)
{
  must (b, journal_release (b->j, b->imp.no, IMPORT_INTERRUPTED, NULL, &b->err));
  journal_close (b->j);
  free (b->disk);
}

/* Segment ORD, and its only extent. */
static void
find_segment (struct begun *b, uint64_t ord, struct segment *seg, struct extent *e)
{
  OWN (journal_reader) reader = NULL;
  size_t n;

  must (b, journal_reader_open (&reader, journal_path (b->j), b->imp.no, &b->err));
  must (b, journal_segments (reader, ord, seg, 1, &n, &b->err));
  assert_int_equal (n, 1);
  assert_int_equal (seg->ord, ord);
  must (b, journal_extents (reader, seg, 0, e, 1, &n, &b->err));
  assert_int_equal (seg->extents, 1);
  assert_true (e->kind == EXTENT_DATA && e->len > PREFIX);
}

/* LEN bytes of E are on the disk as they are in the image. */
static void
write_part (struct scene *sc, const struct begun *b, const struct extent *e, uint64_t len)
{
  char *part = scene_words (sc, "~/disk.qimport-part");
  FILE *f = fopen (part, "r+");

  assert_non_null (f);
  assert_int_equal (fseek (f, (long)e->guest.v, SEEK_SET), 0);
  assert_int_equal (fwrite (b->disk + e->guest.v, 1, len, f), len);
  assert_int_equal (fclose (f), 0);
  free (part);
}

static struct import_progress
progress_of (const struct begun *b)
{
  const struct journal_status *now = &b->imp.now;
  struct import_progress p = { .segments_committed = now->segments_committed,
                               .guest_committed = now->guest_committed,
                               .fetched = now->fetched,
                               .zero_committed = now->zero_committed,
                               .zero_ord = now->zero_ord,
                               .zero_off = now->zero_off,
                               .image_hashed_to = now->image_hashed_to,
                               .image_hash_len = now->image_hash_len,
                               .target_run = now->target_run,
                               .target_epoch = now->target_epoch };

  memcpy (p.image_hash, now->image_hash, sizeof p.image_hash);
  return p;
}

/* As a sync and a commit would leave segment ORD: all of it, or its first PREFIX bytes; with
 * the digest of them, or without.  Returns the host offset of its data. */
static uint64_t
commit (struct scene *sc, struct begun *b, uint64_t ord, bool whole, bool with_digest)
{
  struct import_progress now = progress_of (b);
  struct segment_progress p = { .ord = ord, .committed = whole };
  struct segment seg;
  struct extent e;
  struct digest d;
  uint64_t len;

  find_segment (b, ord, &seg, &e);
  len = whole ? e.len : PREFIX;
  write_part (sc, b, &e, len);
  digest_init (&d);
  digest_update (&d, b->disk + e.guest.v, len);
  p.committed_to.v = e.host.v + len;
  p.committed_extents = whole;
  if (with_digest) {
    p.digest_final = whole;
    p.hash_len = whole ? DIGEST_SIZE : digest_save (&d, p.hash);
    if (whole)
      digest_peek (&d, p.hash);
  }
  now.guest_committed += len;
  now.segments_committed += whole;
  must (b, journal_commit (b->j, b->imp.no, &p, 1, &now, &b->err));
  b->imp.now.guest_committed = now.guest_committed;
  b->imp.now.segments_committed = now.segments_committed;
  return e.host.v;
}

/* The server's byte at AT is another from now on. */
static void
change_byte (struct scene *sc, uint64_t at)
{
  char lies[96];

  snprintf (lies, sizeof lies, SILENT "+flip,%" PRIu64, at);
  tell_lies (sc, lies);
}

#define changed_is_told(sc, at)                                                         \
  do {                                                                                  \
    change_byte (sc, at);                                                               \
    scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 4, "the image changed"); \
  } while (0)

static void
goes_on_with_the_same (struct scene *sc)
{
  tell_lies (sc, SILENT);
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 0, "");
  scene_same (sc, "disk", "raw");
}

static void
every_segment_that_is_there_in_part_is_compared (void **state)
{
  struct scene *sc = *state;
  struct begun b = { 0 };
  uint64_t first, second;

  begin (sc, "");
  open_journal (sc, &b);
  first = commit (sc, &b, 0, false, true);
  second = commit (sc, &b, 1, false, true);
  close_journal (&b);
  assert_true (second / MIB == first / MIB + 1);
  changed_is_told (sc, second + 1000);
  changed_is_told (sc, second + PREFIX - 1);
  changed_is_told (sc, first);
  goes_on_with_the_same (sc);
}

static void
of_those_that_are_there_as_a_whole_the_last_is_compared (void **state)
{
  struct scene *sc = *state;
  struct begun b = { 0 };
  uint64_t last;

  begin (sc, "");
  open_journal (sc, &b);
  commit (sc, &b, 0, true, true);
  commit (sc, &b, 1, true, true);
  last = commit (sc, &b, 2, true, true);
  close_journal (&b);
  changed_is_told (sc, last + MIB - 1);
  goes_on_with_the_same (sc);
}

static void
what_cannot_be_compared_is_not_believed (void **state)
{
  struct scene *sc = *state;
  struct begun b = { 0 };

  begin (sc, "digest=off");
  open_journal (sc, &b);
  commit (sc, &b, 0, true, false);
  close_journal (&b);
  tell_lies (sc, SILENT);
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 4, "nothing proves");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart"), 0, "");
  scene_same (sc, "disk", "raw");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (every_segment_that_is_there_in_part_is_compared),
    T (of_those_that_are_there_as_a_whole_the_last_is_compared),
    T (what_cannot_be_compared_is_not_believed),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
