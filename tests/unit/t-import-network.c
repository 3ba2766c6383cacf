/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Imports from a server: mirrors that are what they are said to be and others, an image that
 * changes meanwhile, secrets that are not stored, and wrapped files of which something is kept.
 */
#include "import-scene.h"

static void
serve_image (struct scene *sc)
{
  scene_must_sh (sc, "head -c 6000000 /dev/urandom >raw; truncate -s 16M raw;"
                     "qemu-img convert -f raw -O qcow2 raw i");
  scene_serve (sc, "i");
}

static void
mirrors_are_compared (void **state)
{
  struct scene *sc = *state;

  serve_image (sc);
  scene_ends (sc, scene_do (sc, "start", "$/i", "~/disk", "mirror=$/same"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc,
              scene_do (sc, "start", "$/b/slow,3000000/i", "~/disk",
                        "force mirror=$/b/etag,%22other%22/i"),
              0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc,
              scene_do (sc, "start", "$/b/slow,9000000/i", "~/disk",
                        "force mirror=$/b/etag,%22other%22+flip,100/i mirror=$/b/total,100/i"),
              0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (
      sc,
      scene_do_until (sc, "start", "$/i", "~/again",
                      "limit-rate=2M commit-interval=0.1 mirror=http://me:secret@127.0.0.1:1/i",
                      1 << 19),
      3, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "limit-rate=0"), 0, "");
  scene_warned (sc, "secret part of this mirror");
  scene_same (sc, "again", "raw");
}

static void
an_image_that_changes_meanwhile_is_compared (void **state)
{
  struct scene *sc = *state;

  serve_image (sc);
  scene_ends (sc,
              scene_do (sc, "start", "$/b/etag,%22new%22@7-/i", "~/disk",
                        "accept-new-validator connections=1 limit-rate=20M"),
              0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc,
              scene_do_until (sc, "start", "$/i", "~/again",
                              "limit-rate=2M commit-interval=0.1 connections=1", 1 << 19),
              3, "");
  scene_must_sh (sc, "echo 'etag,\"n\"+flip,1000000' >lies");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "limit-rate=0"), 4, "");
  scene_must_sh (sc, "echo ignore-range >lies");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "limit-rate=0"), 3,
              "does not honour ranges");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "stream"), 2, "");
  scene_must_sh (sc, "echo status,404 >lies");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", ""), 4, "");
  scene_must_sh (sc, "echo etag,none >lies");
  scene_ends (sc, scene_do (sc, "resume", "", "~/again", "limit-rate=0 accept-new-validator"),
              0, "");
  scene_same (sc, "again", "raw");
  scene_must_sh (sc, "echo ignore-range >lies");
  scene_ends (sc, scene_do (sc, "start", "$/i", "~/forward", ""), 0, "");
  scene_same (sc, "forward", "raw");
  scene_must_sh (sc,
                 "printf spoilt | dd of=forward bs=1 seek=1000000 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "audit", "", "~/forward", "repair"), 4, "honour ranges");
}

static void
secrets_are_not_stored (void **state)
{
  struct scene *sc = *state;
  char url[128];

  serve_image (sc);
  snprintf (url, sizeof url, "http://me:secret@%s/i", sc->origin + strlen ("http://"));
  scene_must_sh (sc, "echo auth,me:secret >lies; echo me:secret >login; chmod 600 login");
  scene_ends (sc, scene_do (sc, "start", "$/i", "~/disk", ""), 4, "");
  scene_ends (
      sc,
      scene_do_until (sc, "start", url, "~/disk", "limit-rate=2M commit-interval=0.1", 1 << 19),
      3, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 4, "never stored");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0 user-file=~/login"), 0,
              "");
  scene_same (sc, "disk", "raw");
  scene_must_sh (sc, ": >lies");
  scene_ends (sc, scene_do (sc, "start", "$/i?image=1", "~/other", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "$/i?image=1", "~/other", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "$/i?image=2", "~/other", ""), 0, "");
  scene_must_sh (sc, "echo 'etag,\"n\"+other' >lies");
  scene_ends (sc, scene_do (sc, "ensure", "$/i?image=2", "~/other", ""), 6, "another");
  scene_must_sh (sc, "echo etag,weak >lies");
  scene_ends (sc, scene_do (sc, "start", "$/i?image=1", "~/weak", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "$/i?image=2", "~/weak", ""), 6, "no strong ETag");
  scene_must_sh (sc, "echo ignore-range >lies");
  scene_ends (sc, scene_do (sc, "start", "$/i?image=1", "~/plain", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "$/i?image=2", "~/plain", ""), 6, "without ranges");
}

static void
what_was_fetched_of_a_wrapped_file_is_kept (void **state)
{
  struct scene *sc = *state;

  scene_needs_gzip ();
  scene_must_sh (sc, "head -c 6000000 /dev/urandom >raw; truncate -s 16M raw;"
                     "qemu-img convert -f raw -O qcow2 raw i; gzip i");
  scene_serve (sc, "i.gz");
  scene_ends (sc,
              scene_do_until (sc, "start", "$/i.gz", "~/disk",
                              "limit-rate=2M commit-interval=0.1", 1 << 19),
              3, "interrupted");
  scene_must_sh (sc, "test -s disk.qimport-fetched");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_must_sh (
      sc, "! test -e disk.qimport-fetched; mkdir full; echo other >full/disk2.qimport-fetched");
  scene_must_sh (sc, "echo not-ours >disk2.qimport-fetched");
  scene_ends (sc, scene_do (sc, "start", "$/i.gz", "~/disk2", ""), 0, "");
  scene_warned (sc, "it goes on");
  scene_ends (sc, scene_do (sc, "start", "$/i.gz", "~/disk3", "max-size=1M"), 5, "");
  scene_ends (
      sc,
      scene_do (sc, "start", "$/b/cut,1000000+status,503@2-/i.gz", "~/disk4", "retry-time=0"),
      3, "");
  scene_must_sh (sc, "echo no-length+ignore-range+cut,1000000 >lies");
  scene_ends (sc, scene_do (sc, "start", "$/i.gz", "~/disk5", "retry-time=0"), 3, "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (mirrors_are_compared),
    T (an_image_that_changes_meanwhile_is_compared),
    T (secrets_are_not_stored),
    T (what_was_fetched_of_a_wrapped_file_is_kept),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
