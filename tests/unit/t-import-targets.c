/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is made of an image: the same disk on several targets, of which one may fail; the image
 * itself; a larger disk with its partition table moved.  And a source that turns out to know no
 * ranges after all.
 */
#include "import-scene.h"

static void
make_image (struct scene *sc, const char *name)
{
  char line[256];

  snprintf (line, sizeof line,
            "head -c 3000000 /dev/urandom >%s.raw; truncate -s 8M %s.raw;"
            "qemu-img convert -f raw -O qcow2 %s.raw %s",
            name, name, name, name);
  scene_must_sh (sc, line);
}

/* ---- Several ------------------------------------------------------------------------------
 */

/* URL onto the targets NAMES, with spaces between. */
static struct qimport *
begin_several (struct scene *sc, const char *url, const char *names, const char *words)
{
  struct qimport_options *o = scene_options (sc, words);
  char *from = scene_words (sc, url), *all = scene_words (sc, names), *rest = all;
  const char *targets[QIMPORT_TARGETS_MAX + 2] = { 0 };
  struct qimport *q = NULL;
  unsigned n = 0;

  while (n <= QIMPORT_TARGETS_MAX && (targets[n] = strsep (&rest, " ")) != NULL)
    n++;
  if (qimport_start_several (&q, sc->j, from, targets, o, &sc->err) == -1)
    assert_null (q);
  qimport_options_free (o);
  free (from);
  free (all);
  return q;
}

static int
several (struct scene *sc, const char *url, const char *names, const char *words)
{
  struct qimport *q = begin_several (sc, url, names, words);

  return q == NULL ? (int)sc->err.status : scene_run (sc, q, 0);
}

/* Whose part files are both there: then nothing of the data was asked for yet. */
static void
step_to_parts (struct scene *sc, struct qimport *q)
{
  while (scene_sh (sc, "test -e a.qimport-part && test -e b.qimport-part") != 0)
    assert_int_equal (qimport_step (q, 20, &sc->err), 1);
}

static void
one_fetch_makes_several_disks (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_ends (sc, several (sc, "~/i", "~/a ~/b ~/c", "verify"), 0, "");
  scene_same (sc, "a", "i.raw");
  scene_same (sc, "b", "i.raw");
  scene_same (sc, "c", "i.raw");
  scene_ends (sc, scene_do (sc, "audit", "", "~/b", ""), 0, "");
  scene_ends (sc, several (sc, "~/i", "~/d ~/e", "keep-format"), 0, "");
  scene_same (sc, "d", "i");
  scene_same (sc, "e", "i");
  scene_ends (sc, scene_do (sc, "audit", "", "~/e", ""), 0, "");
  scene_ends (sc, scene_do (sc, "ensure", "~/i", "~/e", "keep-format"), 0, "");
}

static void
one_that_is_refused_does_not_stop_the_others (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_must_sh (sc, "mkdir d; ln -s d e; echo mine >mine");
  scene_ends (sc, several (sc, "~/i", "~/mine ~/d/a ~/d/b", ""), 6, "mine");
  scene_same (sc, "d/a", "i.raw");
  scene_same (sc, "d/b", "i.raw");
  scene_must_sh (sc, "test $(cat mine) = mine; rm d/*");
  scene_ends (sc, several (sc, "~/i", "~/d/a ~/e/a ~/d/b", ""), 6, "name each once");
  scene_same (sc, "d/a", "i.raw");
  scene_same (sc, "d/b", "i.raw");
  scene_ends (sc, several (sc, "~/i", "~/mine ~/d/a", ""), 6, "mine");
  scene_ends (sc, several (sc, "~/i", "~/i ~/no/such", ""), 6, "");
}

static void
what_is_refused_is_refused_to_all (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_ends (sc, several (sc, "~/i", "~/a ~/b", "stream"), 2, "one target");
  scene_ends (sc, several (sc, "~/i", "~/a ~/b", "keep-format fix-gpt"), 2, "--fix-gpt");
  scene_ends (sc, several (sc, "~/none", "~/a ~/b", ""), 4, "");
  scene_ends (sc, several (sc, "~/i", "~/1 ~/2 ~/3 ~/4 ~/5 ~/6 ~/7 ~/8 ~/9", ""), 2, "");
  scene_ends (sc, several (sc, "~/i", "~/a ~/b", "max-size=1M"), 5, "");
  scene_ends (
      sc,
      several (
          sc, "~/i", "~/a ~/b",
          "checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000"),
      4, "");
  scene_must_sh (sc, "! test -e a && ! test -e b");
}

/* Cut before the first byte of data comes. */
static void
one_that_fails_meanwhile_is_left_behind (void **state)
{
  struct scene *sc = *state;
  struct qimport *q;

  make_image (sc, "i");
  q = begin_several (sc, "~/i", "~/a ~/b ~/c", "");
  assert_non_null (q);
  step_to_parts (sc, q);
  scene_must_sh (sc, "truncate -s 4096 b.qimport-part");
  scene_ends (sc, scene_run (sc, q, 0), 6, "/b");
  scene_warned (sc, "the other targets go on");
  scene_same (sc, "a", "i.raw");
  scene_same (sc, "c", "i.raw");
  scene_must_sh (sc, "! test -e b");
  scene_ends (sc, scene_do (sc, "resume", "", "~/b", "restart"), 0, "");
  scene_same (sc, "b", "i.raw");
}

static void
each_is_resumed_alone (void **state)
{
  struct scene *sc = *state;
  struct qimport *q;

  make_image (sc, "i");
  q = begin_several (sc, "~/i", "~/a ~/b", "");
  assert_non_null (q);
  assert_non_null (qimport_target (q, 1));
  assert_null (qimport_target (q, 2));
  step_to_parts (sc, q);
  qimport_cancel (q);
  scene_ends (sc, scene_run (sc, q, 0), 3, "interrupted");
  scene_ends (sc, scene_do (sc, "resume", "", "~/b", ""), 0, "");
  scene_same (sc, "b", "i.raw");
  scene_must_sh (sc, "rm b");
  scene_ends (sc, scene_do (sc, "resume", "", "~/a", ""), 0, "");
  scene_same (sc, "a", "i.raw");
  scene_must_sh (sc, "rm a");
  scene_serve (sc, "i");
  q = begin_several (sc, "$/i", "~/a ~/b", "retry-time=0");
  assert_non_null (q);
  step_to_parts (sc, q);
  scene_must_sh (sc, "echo status,503 >lies");
  scene_ends (sc, scene_run (sc, q, 0), 3, "503");
  scene_must_sh (sc, ": >lies");
  scene_ends (sc, scene_do (sc, "resume", "", "~/a", ""), 0, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/b", ""), 0, "");
  scene_same (sc, "a", "i.raw");
  scene_same (sc, "b", "i.raw");
}

/* By its tables, where the file is another one. */
static void
a_kept_image_is_known_again_by_each (void **state)
{
  struct scene *sc = *state;
  struct qimport *q;

  make_image (sc, "i");
  q = begin_several (sc, "~/i", "~/a ~/b", "keep-format");
  assert_non_null (q);
  step_to_parts (sc, q);
  qimport_cancel (q);
  scene_ends (sc, scene_run (sc, q, 0), 3, "interrupted");
  scene_must_sh (sc, "cp i j; mv j i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/b", "accept-new-validator"), 0, "");
  scene_ends (sc, scene_do (sc, "resume", "", "~/a", "accept-new-validator"), 0, "");
  scene_same (sc, "a", "i");
  scene_same (sc, "b", "i");
}

/* ---- The image itself ---------------------------------------------------------------------
 */

static void
what_keeps_the_image_decodes_nothing_of_it (void **state)
{
  static const char *const others[]
      = { "snapshot=one", "backing=~/i", "unallocated=keep", "size=16M", "fix-gpt" };
  struct scene *sc = *state;
  char words[64];
  size_t i;

  make_image (sc, "i");
  for (i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf (words, sizeof words, "keep-format %s", others[i]);
    scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", words), 2, "--keep-format");
  }
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "keep-format stream"), 2,
              "read forward");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "keep-format max-size=2M"), 5, "");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk.QCOW2", ""), 0, "");
  scene_warned (sc, "raw disk, whatever its name says");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk.qcow2", "keep-format"), 0, "");
  scene_same (sc, "disk.qcow2", "i");
  scene_must_sh (sc, "! test -e disk");
}

/* Interrupted when its part file is there; the next has other tables, but is as long. */
static void
an_image_with_other_tables_is_another (void **state)
{
  struct scene *sc = *state;
  struct qimport_options *o = scene_options (sc, "keep-format");
  char *from = scene_words (sc, "~/i"), *to = scene_words (sc, "~/disk");
  struct qimport *q = NULL;

  make_image (sc, "i");
  assert_int_equal (qimport_start (&q, sc->j, from, to, o, &sc->err), 0);
  while (scene_sh (sc, "test -e disk.qimport-part") != 0)
    assert_int_equal (qimport_step (q, 20, &sc->err), 1);
  qimport_cancel (q);
  scene_ends (sc, scene_run (sc, q, 0), 3, "interrupted");
  qimport_options_free (o);
  free (from);
  free (to);
  scene_must_sh (sc, "cp i sound; qemu-io -f qcow2 -c 'write -z 1M 64k' i >/dev/null;"
                     "truncate -s $(stat -c %s sound) i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "accept-new-validator"), 4, "tables");
  scene_must_sh (sc, "cp sound i");
  scene_ends (sc, scene_do (sc, "resume", "", "~/disk", "accept-new-validator"), 0, "");
  scene_same (sc, "disk", "sound");
}

/* ---- Its partition table ------------------------------------------------------------------
 */

/* "make FILE SECTORS": a GPT with one partition.  "check FILE": are both of its headers sound,
 * and the second the last sector? */
static void
write_gpt_tool (struct scene *sc)
{
  scene_must_sh (
      sc,
      "cat >gpt.py <<'END'\n"
      "import struct, sys, zlib\n"
      "H = '<8s4sIIIQQQQ16sQIII'\n"
      "def header (at, other, last, entries, crc):\n"
      "    def make (own): return struct.pack (H, b'EFI PART', b'\\0\\0\\1\\0', 92, own, 0, "
      "at,\n"
      "        other, 34, last, b'D' * 16, entries, 128, 128, crc)\n"
      "    return make (zlib.crc32 (make (0))).ljust (512, b'\\0')\n"
      "def make (f, n):\n"
      "    e = struct.pack ('<16s16sQQQ72s', b'T' * 16, b'U' * 16, 2048, 4095, 0, b'')\n"
      "    e = e.ljust (16384, b'\\0')\n"
      "    mbr = struct.pack ('<446x8sII48xH', b'\\0\\0\\2\\0\\xee\\xff\\xff\\xff', 1, n - 1, "
      "0xaa55)\n"
      "    crc = zlib.crc32 (e)\n"
      "    f.write (mbr + header (1, n - 1, n - 34, 2, crc) + e)\n"
      "    f.seek ((n - 33) * 512)\n"
      "    f.write (e + header (n - 1, 1, n - 34, n - 33, crc))\n"
      "def check (f):\n"
      "    data = f.read ()\n"
      "    n = len (data) // 512\n"
      "    for at, other in (1, n - 1), (n - 1, 1):\n"
      "        h = data[at * 512:][:92]\n"
      "        v = struct.unpack (H, h)\n"
      "        assert v[0] == b'EFI PART' and (v[5], v[6]) == (at, other), v\n"
      "        assert v[8] == n - 34, v\n"
      "        assert v[3] == zlib.crc32 (h[:16] + bytes (4) + h[20:]), 'header'\n"
      "        assert v[13] == zlib.crc32 (data[v[10] * 512:][:16384]), 'entries'\n"
      "if sys.argv[1] == 'make':\n"
      "    make (open (sys.argv[2], 'r+b'), int (sys.argv[3]))\n"
      "else:\n"
      "    check (open (sys.argv[2], 'rb'))\n"
      "END\n"
      "head -c 4M /dev/urandom >raw; python3 gpt.py make raw 8192 && python3 gpt.py check raw;"
      "qemu-img convert -f raw -O qcow2 raw i");
}

static void
log_has (struct scene *sc, const char *target, const char *words)
{
  char *id = scene_words (sc, target), *json = NULL;

  assert_int_equal (qimport_log_json (sc->j, id, &json, &sc->err), 0);
  if (strstr (json, words) == NULL)
    fail_msg ("the log has no \"%s\": %s", words, json);
  qimport_free (json);
  free (id);
}

static void
the_backup_of_a_table_comes_to_the_end (void **state)
{
  struct scene *sc = *state;

  write_gpt_tool (sc);
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "size=6M fix-gpt"), 0, "");
  scene_must_sh (sc, "python3 gpt.py check disk && cp disk moved");
  log_has (sc, "~/disk", "the backup was moved from sector 8191 to 12287");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
  scene_must_sh (sc, "printf X | dd of=disk bs=1 seek=520 conv=notrunc status=none");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 8, "");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", "repair"), 0, "");
  scene_same (sc, "disk", "moved");
  scene_ends (sc, several (sc, "~/i", "~/a ~/b", "size=6M fix-gpt"), 0, "");
  scene_same (sc, "a", "moved");
  scene_same (sc, "b", "moved");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/same", "fix-gpt"), 0, "");
  scene_same (sc, "same", "raw");
  log_has (sc, "~/same", "at the end already");
}

static void
a_table_that_is_not_sound_is_left_alone (void **state)
{
  struct scene *sc = *state;

  write_gpt_tool (sc);
  scene_must_sh (sc, "printf X | dd of=raw bs=1 seek=1050 conv=notrunc status=none;"
                     "qemu-img convert -f raw -O qcow2 raw i");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/disk", "size=6M fix-gpt"), 0, "");
  scene_warned (sc, "--fix-gpt changes nothing");
  scene_must_sh (sc, "cmp -n 4194304 disk raw");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
}

/* ---- Ranges that are none -----------------------------------------------------------------
 */

static void
a_server_that_forgets_ranges_is_read_from_its_start (void **state)
{
  struct scene *sc = *state;

  make_image (sc, "i");
  scene_serve (sc, "i");
  scene_ends (sc, scene_do (sc, "start", "$/b/ignore-range@2-/i", "~/disk", ""), 0, "");
  scene_warned (sc, "from its start, as with --stream");
  scene_same (sc, "disk", "i.raw");
  scene_ends (sc, scene_do (sc, "start", "$/b/ignore-range@3-/i", "~/other", "retry-time=0"), 3,
              "whole image instead of the range");
  scene_ends (sc, scene_do (sc, "resume", "", "~/other", "url=$/i"), 0, "");
  scene_same (sc, "other", "i.raw");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (one_fetch_makes_several_disks),
    T (one_that_is_refused_does_not_stop_the_others),
    T (what_is_refused_is_refused_to_all),
    T (one_that_fails_meanwhile_is_left_behind),
    T (each_is_resumed_alone),
    T (a_kept_image_is_known_again_by_each),
    T (what_keeps_the_image_decodes_nothing_of_it),
    T (an_image_with_other_tables_is_another),
    T (the_backup_of_a_table_comes_to_the_end),
    T (a_table_that_is_not_sound_is_left_alone),
    T (a_server_that_forgets_ranges_is_read_from_its_start),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
