/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images that come once, in order: whatever their layout, the disk is right; what cannot be
 * read so is refused; what was committed is not written again and must be the same; and a
 * wrapped file is known again.
 */
#include "import-scene.h"

/* Small clusters, so that tables and data alternate. */
static void
write_image (struct scene *sc, const char *options)
{
  char line[512];

  snprintf (line, sizeof line,
            "rm -f i raw; writer --cluster-bits 12 --size 6291456 --seed 7 %s i raw", options);
  scene_must_sh (sc, line);
}

static void
every_layout_makes_the_disk (void **state)
{
  static const char *const layouts[]
      = { "--layout tables-first --mix data=3,hole=1",
          "--layout tables-last --mix data=3,hole=1",
          "--layout interleaved --mix data=2,compressed=2,hole=1,zero=1",
          "--layout tables-last --mix compressed=3,data=1",
          "--layout tables-last --scatter --snapshots 2 --mix data=1,compressed=1",
          "--dirty --mix data=1",
          "--mix hole=1" };
  struct scene *sc = *state;
  size_t i;

  for (i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    write_image (sc, layouts[i]);
    scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "stream force"), 0, "");
    scene_same (sc, "disk", "raw");
    scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
  }
}

static void
what_was_committed_is_not_written_again (void **state)
{
  struct scene *sc = *state;

  write_image (sc, "--layout tables-first --mix data=4,compressed=1,hole=1");
  scene_ends (sc,
              scene_do_until (sc, "start", "~/i", "~/disk",
                              "stream limit-rate=2M commit-interval=0.1 workers=2", 1 << 19),
              3, "interrupted");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0"), 0, "");
  scene_same (sc, "disk", "raw");
}

static void
another_image_is_not_gone_on_with (void **state)
{
  struct scene *sc = *state;

  write_image (sc, "--layout tables-first --mix data=4,hole=1");
  scene_ends (sc,
              scene_do_until (sc, "start", "~/i", "~/disk",
                              "stream limit-rate=2M commit-interval=0.1", 2 << 20),
              3, "interrupted");
  /* one byte of the first data, behind the tables */
  scene_must_sh (sc, "cp i sound; printf '\\001\\002\\003' | dd of=i bs=1 seek=300001 "
                     "conv=notrunc status=none;"
                     " touch -r sound i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0 accept-new-validator"), 4,
              "");
  scene_must_sh (sc,
                 "cp sound i; printf '\\001' | dd of=i bs=1 seek=111 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "url=~/i"), 4, "");
  scene_must_sh (sc, "cp sound i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart limit-rate=0"), 0, "");
  scene_same (sc, "disk", "raw");
}

static void
what_cannot_be_read_forward_is_refused (void **state)
{
  struct scene *sc = *state;

  write_image (sc, "--layout tables-last --mix data=1");
  scene_must_sh (sc, "truncate -s -70000 i");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "stream"), 5, "cut off");
  scene_must_sh (sc, "head -c 50 i >short");
  scene_ends (sc, scene_do (sc, "start", "~/short", "~/disk", "stream"), 5, "");
  scene_must_sh (sc, "head -c 3000000 /dev/zero >zeros");
  scene_ends (sc, scene_do (sc, "start", "~/zeros", "~/disk", "stream"), 5, "");
  write_image (sc, "--mix data=1");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "stream max-size=1M"), 5, "max-size");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "stream snapshot=none"), 2,
              "snapshot");
  scene_must_sh (sc, "qemu-img create -q -f qcow2 -F qcow2 -b \"$PWD/i\" top.qcow2");
  scene_ends (sc, scene_do (sc, "start", "~/top.qcow2", "~/disk", "stream"), 5, "backing");
  /* an L2 table in the middle of another one, and one beyond any end */
  scene_must_sh (
      sc, "qemu-img create -q -f qcow2 -o cluster_size=4096 t 8M; "
          "qemu-io -f qcow2 -c 'write 0 4k' -c 'write 4M 4k' t >/dev/null; cp t u;"
          "l1=$(od -An -j 40 -N 8 --endian=big -t u8 t | tr -d ' ');"
          "dd if=t of=t bs=1 skip=$l1 seek=$((l1 + 16)) count=8 conv=notrunc status=none;"
          "printf '\\200\\377\\000\\000' | dd of=u bs=1 seek=$l1 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "start", "~/t", "~/disk", "stream"), 5, "same L2 table");
  scene_ends (sc, scene_do (sc, "start", "~/u", "~/disk", "stream"), 5, "");
  assert_int_not_equal (scene_sh (sc, "ls disk* 2>/dev/null"), 0);
}

static void
a_snapshot_is_imported_as_it_comes (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (
      sc,
      "qemu-img create -q -f qcow2 s.qcow2 6M; qemu-io -f qcow2 -c 'write -P 1 0 3M' s.qcow2 "
      ">/dev/null;"
      "qemu-img snapshot -c one s.qcow2; qemu-io -f qcow2 -c 'write -P 2 1M 4M' s.qcow2 "
      ">/dev/null;"
      "qemu-img convert -l one -O raw s.qcow2 raw");
  scene_ends (sc, scene_do (sc, "start", "~/s.qcow2", "~/disk", "stream snapshot=one"), 0, "");
  scene_same (sc, "disk", "raw");
}

static void
a_wrapped_image_is_kept_and_known_again (void **state)
{
  struct scene *sc = *state;

  scene_needs_gzip ();
  write_image (sc, "--layout interleaved --mix data=3,compressed=1,hole=1");
  scene_must_sh (sc, "gzip -kf i");
  scene_ends (sc, scene_do (sc, "start", "~/i.gz", "~/disk", "memory=256M"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_must_sh (sc, "truncate -s -1000 i.gz");
  scene_ends (sc, scene_do (sc, "start", "~/i.gz", "~/cut", "force"), 5, "");
  scene_must_sh (sc, "head -c 2000000 i | gzip >part.gz");
  scene_ends (sc, scene_do (sc, "start", "~/part.gz", "~/cut", "force"), 5, "truncated");
  scene_must_sh (sc, "gzip -c i | gzip -c >twice.gz");
  scene_ends (sc, scene_do (sc, "start", "~/twice.gz", "~/cut", "force"), 5, "");
  scene_must_sh (sc, "gzip -kf i");
  scene_ends (sc,
              scene_do_until (sc, "start", "~/i.gz", "~/again",
                              "limit-rate=2M commit-interval=0.1 no-keep", 1 << 19),
              3, "interrupted");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "limit-rate=0"), 0, "");
  scene_warned (sc, "nothing of the gzip file was kept");
  scene_same (sc, "again", "raw");
}

static void
a_checksum_is_of_all_that_came (void **state)
{
  scene_needs_gzip ();
  struct scene *sc = *state;
  char words[128] = "stream checksum=sha256:";
  FILE *sum;

  write_image (sc, "--mix data=1,hole=3");
  scene_must_sh (sc, "sha256sum i | head -c 64 >sum; gzip -kf i");
  char *path = scene_words (sc, "~/sum");

  sum = fopen (path, "r");
  free (path);
  assert_non_null (sum);
  assert_int_equal (fread (words + strlen (words), 1, 64, sum), 64);
  fclose (sum);
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", words), 0, "");
  scene_ends (sc, scene_do (sc, "start", "~/i.gz", "~/other", words), 4, "SHA-256");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (every_layout_makes_the_disk),        T (what_was_committed_is_not_written_again),
    T (another_image_is_not_gone_on_with),  T (what_cannot_be_read_forward_is_refused),
    T (a_snapshot_is_imported_as_it_comes), T (a_wrapped_image_is_kept_and_known_again),
    T (a_checksum_is_of_all_that_came),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
