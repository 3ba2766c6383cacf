/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What becomes of an import: it is begun, interrupted, taken up, asked for again, moved, begun
 * anew, audited and mended; each with the exit status and the words that a user is told.
 */
#include "import-scene.h"

static void
make_image (struct scene *sc, const char *name)
{
  char line[512];

  snprintf (line, sizeof line,
            "head -c 6000000 /dev/urandom >%s.raw; truncate -s 16M %s.raw;"
            "qemu-img convert -f raw -O qcow2 %s.raw %s",
            name, name, name, name);
  scene_must_sh (sc, line);
}

/* ~/i onto ~/disk, stopped with some of it committed. */
static void
interrupted (struct scene *sc, const char *words)
{
  char all[256];

  snprintf (all, sizeof all, "limit-rate=2M commit-interval=0.1 connections=1 %s", words);
  scene_ends (sc, scene_do_until (sc, "start", "~/i", "~/disk", all, 1 << 19), 3,
              "interrupted");
  scene_must_sh (sc, "test -f disk.qimport-part");
}

static void
an_interrupted_import_goes_on (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (
      sc, "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", ""), 6, "has an interrupted import");
  scene_ends (sc, scene_do (sc, "ensure", "~/other", "~/disk", ""), 6, "another URL");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0"), 4,
              "was not put in place");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 4, "was not put in place");
  scene_ends (
      sc,
      scene_do (sc, "resume", "", "~/disk", "checksum=md5:00000000000000000000000000000000"), 2,
      "from the start");
  scene_must_sh (sc, "sha256sum i | head -c 64 >sum");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart stall-time=3"), 4, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "force limit-rate=0"), 0, "");
  scene_warned (sc, "replaces the interrupted import");
  scene_same (sc, "disk", "i.raw");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 2, "is complete");
  scene_ends (sc, scene_do (sc, "resume", "", "none", ""), 7, "");
}

static void
what_defines_an_import_holds_to_its_end (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  make_image (sc, "other");
  interrupted (sc, "verify");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "snapshot=x"), 2, "began with");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "backing=~/other"), 2, "--backing");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "unallocated=keep"), 6, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "url=~/other"), 4, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0 url=~/i"), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "snapshot=x"), 6,
              "was imported with");
  scene_ends (sc, scene_do (sc, "ensure", "~/other", "~/disk", ""), 6, "another URL");
  scene_ends (
      sc,
      scene_do (
          sc, "ensure", "~/i", "~/disk",
          "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000"),
      4, "");
  scene_must_sh (sc, "rm disk");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "preallocate"), 0, "");
  scene_same (sc, "disk", "i.raw");
}

static void
a_source_that_changed_is_compared (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (sc, "");
  scene_must_sh (sc, "cp i j; mv j i"); /* the same bytes, another file */
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0"), 4, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0 accept-new-validator"), 0,
              "");
  scene_same (sc, "disk", "i.raw");
  scene_must_sh (sc, "rm disk");
  interrupted (sc, "");
  scene_must_sh (sc, "qemu-io -f qcow2 -c 'write -P 3 0 5M' i >/dev/null; cp i j; mv j i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0 accept-new-validator"), 4,
              "");
  scene_must_sh (sc, "mv i gone");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 4, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart"), 4, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart url=~/gone limit-rate=0"), 0,
              "");
  scene_must_sh (sc, "qemu-img convert -O raw gone i.raw");
  scene_same (sc, "disk", "i.raw");
}

static void
another_disk_is_not_begun_anew (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (sc, "");
  scene_must_sh (sc, "qemu-img create -q -f qcow2 i 8M");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart"), 4, "another disk");
  make_image (sc, "i");
  scene_must_sh (sc, "echo mine >disk");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart"), 6, "appeared");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart force stream limit-rate=0"), 0,
              "");
  scene_same (sc, "disk", "i.raw");
}

static void
a_target_that_changed_is_not_gone_on_with (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (sc, "");
  scene_must_sh (sc, "cp disk.qimport-part kept; dd if=/dev/zero of=disk.qimport-part bs=4k "
                     "count=2048 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 6, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart limit-rate=0"), 0, "");
  scene_must_sh (sc, "rm disk");
  interrupted (sc, "");
  scene_must_sh (sc, "rm disk.qimport-part");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", ""), 6, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 6, "");
}

static void
a_delta_goes_onto_what_is_there (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_must_sh (
      sc, "cp i.raw base.raw; qemu-img create -q -f qcow2 -F qcow2 -b \"$PWD/i\" top 16M;"
          "qemu-io -f qcow2 -c 'write -P 7 1M 3M' top >/dev/null; qemu-img convert -O raw top "
          "want; cp base.raw disk");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/none", ""), 5, "backing");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/none", "unallocated=keep"), 6, "");
  scene_ends (
      sc,
      scene_do_until (sc, "start", "~/top", "~/disk",
                      "unallocated=keep force limit-rate=2M commit-interval=0.1 connections=1",
                      1 << 16),
      3, "");
  scene_must_sh (sc, "cp top t; mv t top");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "restart"), 6, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "accept-new-validator limit-rate=0"), 0,
              "");
  scene_same (sc, "disk", "want");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/whole", "backing=~/i"), 0, "");
  scene_same (sc, "whole", "want");
  scene_ends (sc, scene_do (sc, "ensure", "~/top", "~/whole", "backing=~/i"), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/top", "~/whole", "backing=~/top"), 6, "--backing");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/loop", "backing=~/loop"), 4, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/i", ""), 6, "");
}

static void
a_newer_image_is_imported_over_the_older (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer"), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer"), 0, "");
  scene_must_sh (
      sc,
      "qemu-io -f qcow2 -c 'write -P 9 2M 1M' i >/dev/null; qemu-img convert -O raw i i.raw");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer"), 0, "");
  scene_same (sc, "disk", "i.raw");
  scene_must_sh (sc, "mv i gone");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer"), 4, "");
  scene_must_sh (sc, "mv gone i; sha256sum i >sums");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer checksums=~/sums"), 0, "");
  scene_must_sh (
      sc, "echo 0000000000000000000000000000000000000000000000000000000000000000 i >sums");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "checksums=~/sums"), 4, "newer");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer checksums=~/sums"), 4, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer checksums=~/nosums"), 2, "");
}

static void
an_interrupted_one_is_begun_again_when_there_is_a_newer (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (sc, "");
  scene_ends (sc, scene_do_until (sc, "ensure", "~/i", "~/disk", "newer", 5 << 20), 3, "");
  make_image (sc, "i");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "limit-rate=0"), 4, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/disk", "newer limit-rate=0"), 0, "");
  scene_same (sc, "disk", "i.raw");
}

static void
an_audit_finds_and_mends (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "verify"), 0, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
  scene_must_sh (sc, "printf spoilt | dd of=disk bs=1 seek=1000000 conv=notrunc status=none;"
                     "printf spoilt | dd of=disk bs=1 seek=14000000 conv=notrunc status=none;"
                     "printf spoilt | dd of=disk bs=1 seek=12000000 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 8, "differs");
  assert_non_null (sc->found);
  assert_non_null (strstr (sc->found, "differ"));
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair"), 0, "");
  scene_same (sc, "disk", "i.raw");
  scene_must_sh (
      sc, "printf spoilt | dd of=disk bs=1 seek=1000000 conv=notrunc status=none; mv i gone");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair"), 4, "");
  scene_must_sh (sc, "cp gone i");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair accept-new-validator"), 0, "");
  scene_same (sc, "disk", "i.raw");
  scene_must_sh (sc, "head -c 16M /dev/urandom >disk");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair"), 6, "");
  scene_must_sh (sc, "rm disk");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 6, "");
}

static void
an_audit_of_what_is_not_complete (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  interrupted (sc, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
  scene_must_sh (
      sc, "printf spoilt | dd of=disk.qimport-part bs=1 seek=100000 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 8, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair"), 0, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "limit-rate=0"), 0, "");
  scene_same (sc, "disk", "i.raw");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/plain", "digest=off"), 0, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/plain", ""), 2, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/third", "digest=off verify"), 2, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/forward", "stream"), 0, "");
  scene_must_sh (sc,
                 "printf spoilt | dd of=forward bs=1 seek=1000000 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "audit", "", "~/forward", "repair"), 0, "");
  scene_same (sc, "forward", "i.raw");
}

static void
what_cannot_begin_is_told (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "mirror=~/same"), 2, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk",
                        "checksum=sha1:0000000000000000000000000000000000000000"),
              4, "");
  scene_warned (sc, "can be forged");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/new\ndisk", ""), 6, "control");
  scene_ends (sc, scene_do (sc, "start", "~/none", "~/disk", ""), 6, "");
  scene_ends (sc, scene_do (sc, "start", "~/none", "~/other-disk", ""), 4, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/no/disk", ""), 6, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/small", "max-size=1M"), 5, "");
}

static void
what_is_asked_of_the_journal (void **state)
{
  struct scene *sc = *state;
  struct qimport_error *err = &sc->err;
  char *json = NULL, *disk = scene_words (sc, "~/disk");

  make_image (sc, "i");
  interrupted (sc, "");
  assert_int_equal (qimport_status_json (sc->j, disk, &json, err), 0);
  qimport_free (json);
  assert_int_equal (qimport_log_json (sc->j, disk, &json, err), 0);
  qimport_free (json);
  assert_int_equal (qimport_forget (sc->j, disk, err), 0);
  assert_int_equal (qimport_forget (sc->j, disk, err), -1);
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", ""), 6, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "force"), 0, "");
  assert_int_equal (qimport_receipt (sc->j, disk, &json, err), 0);
  qimport_free (json);
  assert_int_equal (qimport_report (sc->j, disk, &json, err), 0);
  qimport_free (json);
  free (disk);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (an_interrupted_import_goes_on),
    T (what_defines_an_import_holds_to_its_end),
    T (a_source_that_changed_is_compared),
    T (another_disk_is_not_begun_anew),
    T (a_target_that_changed_is_not_gone_on_with),
    T (a_delta_goes_onto_what_is_there),
    T (a_newer_image_is_imported_over_the_older),
    T (an_interrupted_one_is_begun_again_when_there_is_a_newer),
    T (an_audit_finds_and_mends),
    T (an_audit_of_what_is_not_complete),
    T (what_cannot_begin_is_told),
    T (what_is_asked_of_the_journal),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
