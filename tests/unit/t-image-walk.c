/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tables of a chain are walked as one map: where a layer is shorter than the one above it,
 * where its tables are larger than what is read at once, and where one of them is damaged or
 * is not there: then the layer is named.
 */
#include "import-scene.h"

struct told {
  uint64_t bytes, present, depths; /* a bit for each layer that something was found in */
};

static int
add (void *ctx, const struct qimport_extent *e)
{
  struct told *t = ctx;

  t->bytes += e->length;
  if (e->flags & QIMPORT_PRESENT) {
    t->present += e->length;
    t->depths |= UINT64_C (1) << e->depth;
  }
  return 0;
}

static int
look (struct scene *sc, const char *url, const char *words, struct told *t)
{
  struct qimport_options *o = scene_options (sc, words);
  char *where = scene_words (sc, url);
  int rc;

  *t = (struct told){ 0 };
  rc = qimport_map (where, o, add, t, &sc->err);
  qimport_options_free (o);
  free (where);
  return rc == -1 ? (int)sc->err.status : 0;
}

#define create                                         \
  "create () { qemu-img create -q -f qcow2 \"$@\"; };" \
  "w () { f=$1; shift; qemu-io -f qcow2 -c \"write $*\" $f >/dev/null; };"

/* Ten layers of 2 MiB clusters: of each there is less memory than its L2 table takes. */
static void
tables_that_are_too_large_are_read_in_parts (void **state)
{
  struct scene *sc = *state;
  char words[256] = "max-size=1T";
  struct told t;
  unsigned i;

  scene_must_sh (
      sc,
      create "create -o cluster_size=2M l0 513G; w l0 -P 9 0 2M; w l0 -P 9 512G 2M;"
             "for i in 1 2 3 4 5 6 7 8 9; do"
             "  create -o cluster_size=2M -F qcow2 -b l$((i - 1)) l$i;"
             "  w l$i -P $i $((i * 50))G 2M; w l$i -P $i $((512 * 1024 + i * 4))M 2M; done");
  for (i = 9; i-- > 0;)
    sprintf (words + strlen (words), " backing=~/l%u", i);
  scene_ends (sc, look (sc, "~/l9", words, &t), 0, "");
  assert_int_equal (t.bytes, UINT64_C (513) << 30);
  assert_int_equal (t.present, 20 * (2 << 20));
  assert_int_equal (t.depths, (1 << 10) - 1);
}

static void
a_shorter_layer_reads_as_zeros_beyond_its_end (void **state)
{
  struct scene *sc = *state;
  struct told t;

  scene_must_sh (sc, create
                 "create base 6M; w base -P 1 0 6M; create -F qcow2 -b base middle 3M;"
                 "w middle -P 2 1M 1M; create -F qcow2 -b middle top 8M; w top -P 3 5M 64k;"
                 "qemu-img convert -O raw top want; head -c 8M /dev/urandom >there");
  scene_ends (sc, look (sc, "~/top", "backing=~/middle backing=~/base", &t), 0, "");
  assert_int_equal (t.bytes, 8 << 20);
  assert_int_equal (t.present, (3 << 20) + 65536);
  assert_int_equal (t.depths, 7);
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/disk", "backing=~/middle backing=~/base"),
              0, "");
  scene_same (sc, "disk", "want");
  /* what the target holds is the lowest layer: of the middle one only 3 MiB of it show */
  scene_must_sh (sc, "cp want base.raw; truncate -s 8M base.raw; rm disk;"
                     "qemu-img convert -O raw base disk; truncate -s 8M disk");
  scene_ends (
      sc, scene_do (sc, "start", "~/top", "~/disk", "backing=~/middle unallocated=keep force"),
      0, "");
  scene_same (sc, "disk", "want");
}

/* Of the file NAME entry I of the first L2 table names the host offset AT. */
static void
damage (struct scene *sc, const char *name, unsigned i, const char *at)
{
  char line[512];

  snprintf (line, sizeof line,
            "python3 -c 'import struct; f = open (\"%s\", \"r+b\"); f.seek (40);"
            "be = lambda: struct.unpack (\">Q\", f.read (8)) [0]; f.seek (be ());"
            "f.seek ((be () & 0xfffffffffffe00) + 8 * %u);"
            "f.write (struct.pack (\">Q\", %s | 1 << 63)); f.close ()'",
            name, i, at);
  scene_must_sh (sc, line);
}

static void
the_layer_that_is_damaged_is_named (void **state)
{
  struct scene *sc = *state;
  struct told t;

  scene_must_sh (sc, create "create base 4M; w base -P 1 0 2M; cp base sound;"
                            "create -F qcow2 -b base middle; w middle -P 2 1M 64k;"
                            "create -F qcow2 -b middle top; w top -P 2 2M 64k");
  damage (sc, "base", 3, "1 << 50");
  scene_ends (sc, look (sc, "~/top", "backing=~/middle backing=~/base", &t), 5, "/base");
  scene_ends (sc, scene_do (sc, "start", "~/top", "~/disk", "backing=~/middle backing=~/base"),
              5, "/base");
  scene_must_sh (sc, "cp sound base");
  damage (sc, "middle", 16, "257 << 9");
  scene_ends (sc, look (sc, "~/top", "backing=~/middle backing=~/base", &t), 5, "/middle");
  scene_must_sh (sc, "! test -e disk && ! test -e disk.qimport-part");
}

/* Whichever request it is that fails, it is told, and nothing is left. */
static void
tables_that_do_not_come_are_told (void **state)
{
  struct scene *sc = *state;
  struct told t;
  char words[128];
  unsigned n;
  int rc = 3;

  scene_must_sh (sc, create "create base 4M; w base -P 1 0 2M; create -F qcow2 -b base top;"
                            "w top -P 2 3M 64k");
  scene_serve (sc, "base");
  for (n = 2; n < 16 && rc != 0; n++) {
    snprintf (words, sizeof words, "retry-time=0 backing=$/b/status,503@%u-/base", n);
    rc = look (sc, "~/top", words, &t);
    assert_true (rc == 0 || rc == 3);
  }
  assert_true (n > 3 && rc == 0);
  assert_int_equal (t.present, (2 << 20) + 65536);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (tables_that_are_too_large_are_read_in_parts),
    T (a_shorter_layer_reads_as_zeros_beyond_its_end),
    T (the_layer_that_is_damaged_is_named),
    T (tables_that_do_not_come_are_told),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
