/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of phases: it can be walked from every job to the end, and an import that is driven
 * by the step goes only where the table says.
 */
#include "import/import.h" /* before cmocka.h, which has a macro named fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char room[256];

static int
sh (const char *format, ...)
{
  char line[2048];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  return system (line);
}

static int
enter (void **state)
{
  (void)state;
  snprintf (room, sizeof room, "/tmp/phase-XXXXXX");
  return mkdtemp (room) == NULL ? -1 : 0;
}

static int
leave (void **state)
{
  (void)state;
  return sh ("rm -rf '%s'", room);
}

static bool
reaches (enum phase from, enum phase to, unsigned steps)
{
  int p;

  if (from == to)
    return true;
  for (p = 0; steps > 0 && p < N_PHASES; p++)
    if ((enum phase)p != from && phase_may_follow (from, (enum phase)p)
        && reaches ((enum phase)p, to, steps - 1))
      return true;
  return false;
}

static void
every_phase_is_reached_and_ends (void **state)
{
  static const enum phase jobs[]
      = { PHASE_START, PHASE_GATHER, PHASE_ENSURE, PHASE_RESUME, PHASE_AUDIT };
  int p;
  size_t k;

  (void)state;
  for (p = 0; p < N_PHASES; p++) {
    bool reached = false;

    for (k = 0; k < sizeof jobs / sizeof jobs[0]; k++)
      reached |= reaches (jobs[k], (enum phase)p, 6);
    assert_true (reached);
    assert_true (reaches ((enum phase)p, PHASE_OVER, 6));
    for (k = 0; k < (size_t)p; k++)
      assert_string_not_equal (phase_word ((enum phase)p), phase_word ((enum phase)k));
  }
  assert_false (phase_may_follow (PHASE_OVER, PHASE_COPY));
  assert_false (phase_may_follow (PHASE_COPY, PHASE_MAP)); /* J2: the map never changes after */
  assert_false (phase_may_follow (PHASE_AUDIT, PHASE_COPY));
}

/* The names of the phases that Q went through, each once. */
static void
walk (struct qimport *q, char *path, size_t size)
{
  struct qimport_error err;
  enum phase before = N_PHASES;
  int rc = 1;

  path[0] = '\0';
  while (rc == 1) {
    if (q->machine.phase != before)
      snprintf (path + strlen (path), size - strlen (path), "%s ", phase_word (q->machine.phase));
    before = q->machine.phase;
    rc = qimport_step (q, 100, &err);
  }
  if (rc == -1)
    fail_msg ("%s after %s", err.message, path);
  qimport_close (q);
}

static void
an_import_goes_through_them (void **state)
{
  struct qimport_journal *j = NULL;
  struct qimport_options *o = qimport_options_new ();
  struct qimport_error err;
  char journal[300], image[300], target[300], path[400];
  struct qimport *q;

  (void)state;
  snprintf (journal, sizeof journal, "%s/journal.db", room);
  snprintf (image, sizeof image, "%s/image.qcow2", room);
  snprintf (target, sizeof target, "%s/disk", room);
  if (sh ("head -c 3000000 /dev/urandom >'%s/raw' && truncate -s 4M '%s/raw' && "
          "qemu-img convert -f raw -O qcow2 '%s/raw' '%s'",
          room, room, room, image)
      != 0)
    skip ();
  assert_int_equal (qimport_journal_open (&j, journal, 0, &err), 0);
  assert_int_equal (qimport_start (&q, j, image, target, o, &err), 0);
  walk (q, path, sizeof path);
  assert_string_equal (path, "start map target copy finish ");
  assert_int_equal (sh ("cmp -s '%s/raw' '%s'", room, target), 0);
  assert_int_equal (qimport_audit (&q, j, target, o, &err), 0);
  walk (q, path, sizeof path);
  assert_string_equal (path, "audit compare ");
  assert_int_equal (qimport_ensure (&q, j, image, target, o, &err), 0);
  walk (q, path, sizeof path);
  assert_string_equal (path, "ensure ");
  assert_int_equal (sh ("rm '%s'", target), 0);
  assert_int_equal (qimport_options_set (o, "stream", NULL, &err), 0);
  assert_int_equal (qimport_ensure (&q, j, image, target, o, &err), 0);
  walk (q, path, sizeof path);
  assert_string_equal (path, "ensure start stream copy finish ");
  qimport_options_free (o);
  qimport_journal_close (j);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_phase_is_reached_and_ends),
    cmocka_unit_test_setup_teardown (an_import_goes_through_them, enter, leave),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
