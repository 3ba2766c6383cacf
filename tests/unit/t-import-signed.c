/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a publisher says of an image holds: files of checksums, their signatures, the image's
 * own; where it is not as they say, nothing is left.
 */
#include "import-scene.h"

static void
publish (struct scene *sc)
{
  scene_must_sh (sc, "head -c 2000000 /dev/urandom >raw; truncate -s 4M raw;"
                     "qemu-img convert -f raw -O qcow2 raw i");
  if (scene_sh (sc, "command -v gpg gpgv gpgconf >/dev/null") != 0)
    skip ();
  scene_must_sh (sc, "mkdir -m 700 home; GNUPGHOME=$PWD/home; export GNUPGHOME;"
                     "for who in us them; do gpg --batch --quiet --passphrase '' "
                     "--quick-gen-key $who ed25519 sign never"
                     " 2>/dev/null && gpg --export $who >$who.gpg || exit 1; done;"
                     "sign () { gpg --batch --quiet --yes -u us \"$@\"; };"
                     "sha256sum i >sums && sign -b sums && sign -b -o i.sig i && sign "
                     "--clear-sign -o clear sums;"
                     "cp sums bare; cp sums odd; cp i.sig odd.sig; cp sums armored; sign -b "
                     "--armor -o armored.asc armored;"
                     "rc=$?; gpgconf --kill all; exit $rc");
}

static void
checksums_are_the_publishers (void **state)
{
  struct scene *sc = *state;

  publish (sc);
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/bare"), 0, "");
  scene_ends (
      sc, scene_do (sc, "start", "~/i", "~/disk", "force checksums=~/sums signed-by=~/us.gpg"),
      0, "");
  scene_ends (
      sc,
      scene_do (sc, "start", "~/i", "~/disk", "force checksums=~/armored signed-by=~/us.gpg"),
      0, "");
  scene_ends (
      sc, scene_do (sc, "start", "~/i", "~/disk", "force checksums=~/clear signed-by=~/us.gpg"),
      0, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk",
                        "force checksums=~/bare signature=~/sums.sig signed-by=~/us.gpg"),
              0, "");
  scene_same (sc, "disk", "raw");
}

static void
what_is_not_signed_by_them_is_refused (void **state)
{
  struct scene *sc = *state;

  publish (sc);
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk", "checksums=~/sums signed-by=~/them.gpg"),
              4, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk", "checksums=~/clear signed-by=~/them.gpg"),
              4, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk", "checksums=~/bare signed-by=~/us.gpg"), 4,
              "not clear-signed");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/odd signed-by=~/us.gpg"),
              4, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk",
                        "checksums=~/bare signature=~/i.sig signed-by=~/us.gpg"),
              4, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk", "checksums=~/none signed-by=~/us.gpg"), 2,
              "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/sums signed-by=~/none"),
              2, "");
  scene_ends (sc,
              scene_do (sc, "start", "~/i", "~/disk",
                        "checksums=~/sums signature=~/none signed-by=~/us.gpg"),
              2, "");
  scene_must_sh (sc, "head -c 9M /dev/zero >large; cut -c 1-8 clear >broken; ! test -e disk");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/large"), 4, "larger");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/broken"), 4, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/us.gpg"), 4,
              "no digest");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "signature=~/i.sig"), 2, "");
}

static void
an_image_may_be_signed_itself (void **state)
{
  struct scene *sc = *state;

  publish (sc);
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "signed-by=~/us.gpg"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/other", "signed-by=~/them.gpg"), 4, "");
  scene_ends (
      sc, scene_do (sc, "start", "~/i", "~/other", "signed-by=~/us.gpg signature=~/sums.sig"),
      4, "");
  scene_ends (
      sc,
      scene_do (
          sc, "start", "~/i", "~/other",
          "signed-by=~/us.gpg "
          "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000"),
      4, "is not what --checksum says");
  scene_must_sh (sc, "cp i unsigned");
  scene_ends (sc, scene_do (sc, "start", "~/unsigned", "~/other", "signed-by=~/us.gpg"), 4,
              "beside the image");
}

static void
what_was_given_by_hand_agrees (void **state)
{
  struct scene *sc = *state;

  publish (sc);
  scene_must_sh (sc, "{ md5sum i; sha1sum i; } >weak; sha512sum i >strong; { sha256sum i; cat "
                     "strong; } >both");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "checksums=~/weak"), 0, "");
  scene_warned (sc, "can be forged");
  scene_ends (
      sc,
      scene_do (
          sc, "start", "~/i", "~/other",
          "checksums=~/both "
          "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000"),
      4, "as --checksum says");
  scene_ends (
      sc,
      scene_do (
          sc, "start", "~/i", "~/other",
          "checksums=~/strong "
          "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000"),
      2, "to compare with --checksum");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/other", "checksums=~/both"), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/other", "checksums=~/both"), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/other", "checksums=~/weak"), 4, "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (checksums_are_the_publishers),
    T (what_is_not_signed_by_them_is_refused),
    T (an_image_may_be_signed_itself),
    T (what_was_given_by_hand_agrees),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
