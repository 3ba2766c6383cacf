/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What comes through a pipe: where it ends, too early or not at all, and raw disks, of which
 * only the end tells how large they are.
 */
#include "import-scene.h"

#include <fcntl.h>

/* Standard input is a pipe with the bytes of the file NAME; STAY: nobody closes it behind them
 * while it is read. */
static pid_t
feed (struct scene *sc, const char *name, bool stay, int *open)
{
  char file[64];
  int ends[2];
  pid_t pid;

  snprintf (file, sizeof file, "%s/%s", sc->dir, name);
  assert_int_equal (pipe2 (ends, O_CLOEXEC), 0);
  pid = fork ();
  if (pid == 0) {
    signal (SIGPIPE, SIG_DFL);
    dup2 (ends[1], 1);
    execlp ("cat", "cat", file, (char *)NULL);
    _exit (127);
  }
  assert_true (pid > 0);
  assert_int_equal (dup2 (ends[0], 0), 0);
  close (ends[0]);
  *open = ends[1];
  if (!stay)
    close (ends[1]);
  return pid;
}

static int
through (struct scene *sc, const char *name, bool stay, const char *verb, const char *words)
{
  int open, rc, nothing = dup (0);
  pid_t pid = feed (sc, name, stay, &open);

  rc = scene_do (sc, verb, "-", "~/disk", words);
  assert_int_equal (dup2 (nothing, 0), 0); /* the other end may be written to still */
  close (nothing);
  if (stay)
    close (open);
  waitpid (pid, NULL, 0);
  return rc;
}

#define starts(sc, name, words) through (sc, name, false, "start", words)
#define resumes(sc, name, words) through (sc, name, false, "resume", words)

/* WORDS and the SHA-256 of the file NAME, or one of which there is no file. */
static char *
with_sum (struct scene *sc, const char *words, const char *name)
{
  char line[128], *path = scene_words (sc, "~/sum"), *all = calloc (1, 256);
  FILE *f;

  snprintf (line, sizeof line, "sha256sum %s | head -c 64 >sum", name);
  scene_must_sh (sc, line);
  f = fopen (path, "r");
  assert_true (f != NULL && all != NULL);
  sprintf (all, "%s checksum=sha256:", words);
  assert_int_equal (fread (all + strlen (all), 1, 64, f), 64);
  fclose (f);
  free (path);
  return all;
}

static void
fresh (struct scene *sc)
{
  scene_must_sh (sc, "rm -f disk");
}

/* Tables first, then data only, to the last byte. */
static void
make_image (struct scene *sc)
{
  scene_must_sh (sc,
                 "rm -f i raw; writer --size 4194304 --layout tables-first --mix data=1 i raw;"
                 "size=$(stat -c %s i); head -c $((size - 100000)) i >cut;"
                 "head -c $((size - 200000)) i >shorter; cat i i >longer");
}

static void
a_pipe_that_ends_too_early_may_go_on (void **state)
{
  struct scene *sc = *state;

  make_image (sc);
  scene_must_sh (sc, "head -c 5000 i >head");
  scene_ends (sc, starts (sc, "head", ""), 3, "start again with the whole image");
  scene_ends (sc, starts (sc, "cut", ""), 3, "100000 bytes are missing");
  scene_ends (sc, resumes (sc, "shorter", ""), 3, "200000 bytes are missing");
  scene_ends (sc, resumes (sc, "shorter", ""), 5, "second time");
  scene_ends (sc, resumes (sc, "i", ""), 0, "");
  scene_same (sc, "disk", "raw");
}

static void
a_length_says_where_it_ends (void **state)
{
  struct scene *sc = *state;
  char words[64], text[32] = "";
  char *path = scene_words (sc, "~/size");
  FILE *f;

  make_image (sc);
  scene_must_sh (sc, "stat -c %s i >size");
  f = fopen (path, "r");
  assert_true (f != NULL && fgets (text, sizeof text, f) != NULL);
  fclose (f);
  free (path);
  snprintf (words, sizeof words, "length=%lu", strtoul (text, NULL, 10));
  scene_ends (sc, starts (sc, "longer", words), 0, "");
  scene_same (sc, "disk", "raw");
  fresh (sc);
  scene_ends (sc, starts (sc, "cut", words), 3, "100000 are missing");
  scene_ends (sc, resumes (sc, "longer", words), 0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc, scene_do (sc, "start", "~/i", "~/other", "length=5"), 2, "");
}

static void
a_pipe_that_stays_open_is_not_waited_for (void **state)
{
  struct scene *sc = *state;
  char *right, *wrong;

  make_image (sc);
  scene_ends (sc, through (sc, "i", true, "start", ""), 0, "");
  scene_same (sc, "disk", "raw");
  fresh (sc);
  right = with_sum (sc, "", "i");
  wrong = with_sum (sc, "", "cut");
  scene_ends (sc, through (sc, "i", true, "start", right), 0, "");
  scene_same (sc, "disk", "raw");
  fresh (sc);
  scene_ends (sc, through (sc, "i", true, "start", wrong), 3, "--length");
  free (right);
  free (wrong);
}

static void
the_last_cluster_may_end_within_a_sector (void **state)
{
  struct scene *sc = *state;

  scene_must_sh (sc, "writer --size 1048576 --layout tables-first --mix compressed=1 whole raw;"
                     "python3 -c 'open (\"i\", \"wb\").write (open (\"whole\", \"rb\").read ()"
                     ".rstrip (b\"\\0\"))'; head -c $(($(stat -c %s i) - 600)) i >cut");
  scene_ends (sc, through (sc, "i", true, "start", ""), 0, "");
  scene_same (sc, "disk", "raw");
  fresh (sc);
  scene_ends (sc, starts (sc, "cut", ""), 3, "missing");
  scene_ends (sc, resumes (sc, "i", ""), 0, "");
  scene_same (sc, "disk", "raw");
}

/* ---- Raw disks ----------------------------------------------------------------------------
 */

/* A partition of it ends with the disk. */
static void
make_disk (struct scene *sc)
{
  scene_must_sh (
      sc, "head -c 4M /dev/urandom >raw; dd if=/dev/zero of=raw bs=512 count=1 conv=notrunc "
          "status=none;"
          "printf '\\125\\252' | dd of=raw bs=1 seek=510 conv=notrunc status=none;"
          "printf "
          "'\\200\\001\\001\\000\\203\\376\\377\\377\\000\\010\\000\\000\\000\\030\\000\\000' |"
          " dd of=raw bs=1 seek=446 conv=notrunc status=none; head -c 3M raw >cut;"
          "cp raw other; printf other | dd of=other bs=1 seek=700000 conv=notrunc status=none;"
          "cp raw head; printf other | dd of=head bs=1 seek=600 conv=notrunc status=none");
}

static void
a_raw_disk_in_a_pipe_grows_as_it_comes (void **state)
{
  struct scene *sc = *state;

  make_disk (sc);
  scene_ends (sc, starts (sc, "raw", ""), 0, "");
  scene_same (sc, "disk", "raw");
  scene_ends (sc, scene_do (sc, "audit", "", "~/disk", ""), 0, "");
  scene_must_sh (sc, "head -c 3500001 raw >odd; cp odd padded; truncate -s 3500032 padded");
  scene_ends (sc, starts (sc, "odd", "format=raw force unallocated=keep"), 2,
              "--unallocated keep");
  scene_must_sh (sc, "dd if=/dev/zero of=odd bs=512 count=1 conv=notrunc status=none;"
                     "cp odd padded; truncate -s 3500032 padded");
  scene_ends (sc, starts (sc, "odd", "force"), 5, "--format raw");
  scene_ends (sc, starts (sc, "odd", "format=raw force max-size=1M"), 5, "--max-size");
  scene_ends (sc, starts (sc, "odd", "format=raw force backing=~/raw"), 5, "--backing");
  scene_ends (sc, starts (sc, "odd", "format=raw force"), 0, "");
  scene_same (sc, "disk", "padded");
}

static void
a_raw_disk_is_as_long_as_its_partitions_say (void **state)
{
  struct scene *sc = *state;
  char *sum;

  make_disk (sc);
  scene_ends (sc, starts (sc, "cut", ""), 3, "partition table");
  scene_ends (sc, resumes (sc, "other", ""), 4, "");
  scene_ends (sc, resumes (sc, "head", ""), 4, "the header differs");
  scene_ends (sc, resumes (sc, "raw", ""), 0, "");
  scene_same (sc, "disk", "raw");
  fresh (sc);
  sum = with_sum (sc, "", "cut");
  scene_ends (sc, starts (sc, "cut", sum), 0, "");
  scene_same (sc, "disk", "cut");
  fresh (sc);
  free (sum);
  scene_ends (sc, starts (sc, "cut", ""), 3, "partition table");
  scene_ends (sc, resumes (sc, "other", "restart"), 0, "");
  scene_same (sc, "disk", "other");
}

static void
a_raw_disk_may_come_from_everywhere (void **state)
{
  struct scene *sc = *state;

  make_disk (sc);
  scene_ends (sc, scene_do (sc, "start", "~/raw", "~/disk", "stream"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_serve (sc, "raw");
  scene_ends (sc, scene_do (sc, "start", "$/b/ignore-range/raw", "~/disk", "force"), 0, "");
  scene_same (sc, "disk", "raw");
  scene_needs_gzip ();
  scene_must_sh (sc, "gzip -k raw");
  scene_ends (sc, scene_do (sc, "start", "~/raw.gz", "~/disk", "force"), 0, "");
  scene_same (sc, "disk", "raw");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown (name, scene_enter, scene_leave)
    T (a_pipe_that_ends_too_early_may_go_on),
    T (a_length_says_where_it_ends),
    T (a_pipe_that_stays_open_is_not_waited_for),
    T (the_last_cluster_may_end_within_a_sector),
    T (a_raw_disk_in_a_pipe_grows_as_it_comes),
    T (a_raw_disk_is_as_long_as_its_partitions_say),
    T (a_raw_disk_may_come_from_everywhere),
  };

  return scene_skips_all () ? 0 : cmocka_run_group_tests (tests, NULL, NULL);
}
