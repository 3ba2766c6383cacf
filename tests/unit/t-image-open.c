/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which images are opened, alone and on each other, and what is said of those that are not:
 * told by what `info` and `map` say, which make nothing.
 */
#include "import-scene.h"

struct told {
  uint64_t extents, bytes, missing;
};

static int
count (void *ctx, const struct qimport_extent *e)
{
  struct told *t = ctx;

  t->extents++;
  t->bytes += e->length;
  t->missing += !(e->flags & QIMPORT_PRESENT);
  return 0;
}

/* Info and map of URL; the worse of both. */
static int
look (struct scene *sc, const char *url, const char *words)
{
  struct qimport_options *o = scene_options (sc, words);
  char *where = scene_words (sc, url), *json = NULL;
  struct qimport_error first = { 0 };
  struct told told = { 0 };
  int rc = qimport_info_json (where, o, &json, &sc->err);

  if (rc == -1)
    first = sc->err;
  qimport_free (json);
  if (qimport_map (where, o, count, &told, &sc->err) == -1)
    rc = -1;
  else
    assert_true (told.bytes > 0);
  if (first.status != 0)
    sc->err = first;
  qimport_options_free (o);
  free (where);
  return rc == -1 ? (int)sc->err.status : 0;
}

static void
every_kind_of_qcow2_is_opened (void **state)
{
  static const char *const kinds[]
      = { "",
          "--version 2 --mix data=2,hole=1,compressed=1",
          "--cluster-bits 9 --size 1048576",
          "--cluster-bits 21 --extended --size 16777216 --mix sub=3,data=1",
          "--cluster-bits 21 --size 16777216",
          "--extended --cluster-bits 14 --mix sub=3,data=1,hole=1,zero=1",
          "--compression zstd --mix compressed=2,data=1",
          "--layout tables-last --scatter",
          "--snapshots 3",
          "--size 3145728 --cut",
          "--refcount-order 6",
          "--dirty",
          "--l1-extra 3" };
  struct scene *sc = *state;
  char line[256];
  size_t i;

  for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    snprintf (line, sizeof line, "rm -f i raw disk; writer --size 2097152 %s i raw", kinds[i]);
    scene_must_sh (sc, line);
    scene_ends (sc, look (sc, "~/i", ""), 0, "");
    scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "force"), 0, "");
    scene_same (sc, "disk", "raw");
  }
}

static void
what_is_damaged_is_refused (void **state)
{
  /* byte AT becomes the octal TEXT: 12 is of the backing file, 32 of the encryption, 72 of
   * incompatible features, 40 of the L1 table, 48 of the refcount table, 60 of the snapshots */
  static const struct {
    unsigned at;
    const char *text, *words;
    int status;
  } cases[] = {
    { 0, "X", "no qcow2 image", 5 },
    { 4, "\\000\\000\\000\\011", "version", 5 },
    { 32, "\\000\\000\\000\\001", "encrypt", 5 },
    { 20, "\\000\\000\\000\\050", "cluster_bits", 5 },
    { 40, "\\377", "", 5 },
    { 47, "\\001", "", 5 },
    { 48, "\\100", "", 5 },
    { 24, "\\177", "", 5 },
    { 79, "\\100", "", 5 },
    { 79, "\\002", "corrupt", 5 },
    { 79, "\\004", "an external file", 5 },
  };
  struct scene *sc = *state;
  char line[256];
  size_t i;

  scene_must_sh (sc, "writer --size 2097152 sound raw");
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf (line, sizeof line,
              "cp sound i; printf '%s' | dd of=i bs=1 seek=%u conv=notrunc status=none",
              cases[i].text, cases[i].at);
    scene_must_sh (sc, line);
    scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", ""), cases[i].status,
                cases[i].words);
  }
  scene_must_sh (sc, "head -c 100000 sound >cut; : >empty; head -c 9 sound >tiny");
  scene_ends (sc, scene_do (sc, "start", "~/cut", "~/disk", ""), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/empty", "~/disk", ""), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/tiny", "~/disk", ""), 5, "");
  scene_must_sh (sc, "! test -e disk");
}

static void
a_chain_must_belong_together (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (
      sc,
      "create () { qemu-img create -q -f qcow2 \"$@\"; };"
      "create base 4M; qemu-io -f qcow2 -c 'write -P 1 0 2M' base >/dev/null;"
      "create -F qcow2 -b base middle; qemu-io -f qcow2 -c 'write -P 2 1M 2M' middle "
      ">/dev/null;"
      "create -F qcow2 -b middle top; qemu-io -f qcow2 -c 'write -P 3 3M 64k' top >/dev/null;"
      "qemu-img convert -O raw top want; qemu-img convert -O raw base plain; cp base renamed;"
      "create -F raw -b plain onraw; create -F qcow2 -b base alone; cp plain 'pl ain';"
      "create -F raw -b base wrong; create -u -F vmdk -b plain odd 4M; writer --backing plain "
      "--backing-raw plain --size 4194304 loose loose.raw;"
      "create -u -F file -b plain file 4M");
  scene_ends (sc, look (sc, "~/top", "backing=~/middle backing=~/base"), 0, "");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/disk", "backing=~/middle backing=~/base"),
              0, "");
  scene_same (sc, "disk", "want");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/d", "backing=~/middle backing=~/renamed"),
              0, "");
  scene_warned (sc, "is taken for it");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/e", ""), 5, "backing file");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/e", "backing=~/middle"), 5,
              "backing file");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/e", "backing=~/base backing=~/middle"), 5,
              "order");
  scene_ends (sc, scene_do (sc, "start", "~/base", "~/e", "backing=~/middle"), 5,
              "has no backing file");
  scene_ends (sc, scene_do (sc, "start", "~/onraw", "~/e", "backing=~/plain"), 0, "");
  scene_same (sc, "e", "plain");
  scene_ends (sc, scene_do (sc, "start", "~/wrong", "~/f", "backing=~/base"), 0, "");
  scene_warned (sc, "looks like qcow2");
  scene_ends (sc, scene_do (sc, "start", "~/odd", "~/g", "backing=~/plain"), 5, "vmdk");
  scene_ends (sc, scene_do (sc, "start", "~/file", "~/g", "backing=~/plain"), 5, "means raw");
  scene_ends (sc, scene_do (sc, "start", "~/loose", "~/g", "backing=~/plain"), 0, "");
  scene_must_sh (sc, "qemu-img convert -O vmdk base plain");
  scene_ends (sc, scene_do (sc, "start", "~/loose", "~/h", "backing=~/plain"), 5, "is ");
  scene_ends (sc, scene_do (sc, "start", "~/alone", "~/h", "backing=~/none"), 4, "");
  look (sc, "~/top", "");
}

static void
what_shows_a_disk_is_raw (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (
      sc, "truncate -s 4M bare; cp bare disk.raw;"
          "printf '\\125\\252' | dd of=disk.raw bs=1 seek=510 conv=notrunc status=none;"
          "printf "
          "'\\200\\001\\001\\000\\203\\376\\377\\377\\000\\010\\000\\000\\000\\020\\000\\000' |"
          " dd of=disk.raw bs=1 seek=446 conv=notrunc status=none;"
          "head -c 3000001 /dev/urandom >odd; qemu-img convert -O vmdk disk.raw vmdk; : >empty;"
          "qemu-img create -q -f qcow2 q 2M");
  scene_ends (sc, look (sc, "~/disk.raw", ""), 0, "");
  scene_ends (sc, scene_do (sc, "start", "~/disk.raw", "~/disk", ""), 0, "");
  scene_same (sc, "disk", "disk.raw");
  scene_ends (sc, look (sc, "~/bare", ""), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/odd", "~/e", ""), 5, "--format raw");
  scene_ends (sc, scene_do (sc, "start", "~/odd", "~/e", "format=raw"), 0, "");
  scene_must_sh (sc, "truncate -s 3000320 odd");
  scene_same (sc, "e", "odd");
  scene_ends (sc, look (sc, "~/vmdk", ""), 5, "VM");
  scene_ends (sc, scene_do (sc, "start", "~/disk.raw", "~/f", "snapshot=one"), 2, "");
  scene_ends (sc, scene_do (sc, "start", "~/disk.raw", "~/f", "max-size=1M"), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/disk.raw", "~/f", "format=qcow2"), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/empty", "~/f", "format=raw"), 5, "empty");
  scene_ends (sc, scene_do (sc, "start", "~/q", "~/f", "format=raw"), 0, "");
  scene_must_sh (sc, "cmp -n $(stat -c %s q) f q");
}

static void
snapshots_are_found_by_id_and_name (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (
      sc, "qemu-img create -q -f qcow2 i 4M; w () { qemu-io -f qcow2 -c \"$1\" i >/dev/null; };"
          "w 'write -P 1 0 1M'; qemu-img snapshot -c one i; w 'write -P 2 1M 1M';"
          "qemu-img snapshot -c two i; w 'write -P 3 2M 1M';"
          "qemu-img convert -l one -O raw i one.raw; qemu-img convert -l two -O raw i two.raw");
  scene_ends (sc, look (sc, "~/i", ""), 0, "");
  scene_ends (sc, look (sc, "~/i", "snapshot=two"), 0, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "snapshot=one"), 0, "");
  scene_same (sc, "disk", "one.raw");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/other", "snapshot=2"), 0, "");
  scene_same (sc, "other", "two.raw");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/none", "snapshot=three"), 2, "three");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/none", "snapshot=one max-size=1M"), 5, "");
}

static void
a_server_of_a_chain_honours_ranges (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (
      sc,
      "qemu-img create -q -f qcow2 i 4M; qemu-io -f qcow2 -c 'write -P 1 0 2M' i >/dev/null;"
      "qemu-img create -q -f qcow2 -F qcow2 -b i top; qemu-img convert -O raw top want; gzip "
      "-k i");
  scene_serve (sc, "i");
  scene_ends (sc, look (sc, "$/i", ""), 0, "");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/disk", "backing=$/i"), 0, "");
  scene_same (sc, "disk", "want");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/e", "backing=$/b/ignore-range/i"), 4,
              "honours ranges");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/e", "backing=~/i.gz"), 5, "");
  scene_ends (sc, look (sc, "$/b/ignore-range/i", ""), 0, "");
  scene_ends (sc, look (sc, "$/b/status,404/i", ""), 4, "");
  scene_ends (sc, look (sc, "$/b/html/i", ""), 5, "HTML");
  scene_ends (sc, look (sc, "~/i.gz", ""), 5, "is wrapped");
  scene_ends (sc, scene_do (sc, "start", "$/b/etag,none+modified,none/i", "~/f", ""), 0, "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (every_kind_of_qcow2_is_opened),      T (what_is_damaged_is_refused),
    T (a_chain_must_belong_together),       T (what_shows_a_disk_is_raw),
    T (snapshots_are_found_by_id_and_name), T (a_server_of_a_chain_honours_ranges),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
