/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ensure: start it, resume it, or find that it is complete.  Looks at the journal and the
 * target only; the work is that of the other phases.
 */
#include "import/import.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is what was imported still there? */
static bool
still_there (struct qimport *q)
{
  struct target_identity id;
  struct target_spec spec;
  struct error ignored;
  bool there = false;

  snprintf (id.text, sizeof id.text, "%s", q->imp.target_identity);
  import_target_spec (q, &spec);
  if (target_open_finished (&q->target, &spec, &id, false, &ignored) == -1
      || import_is_there (q, &there, &ignored) == -1)
    there = false;
  target_close (q->target);
  q->target = NULL;
  return there;
}

/* Complete: but of the image that is expected now? */
static int
check_expected (struct qimport *q, struct error *err)
{
  const char *want = q->options->checksum, *have = q->imp.now.image_sha256;
  enum hash_algorithm algorithm;

  if (want == NULL || strcmp (want, have) == 0)
    return PHASE_OVER;
  algorithm = checksum_text_algorithm (want);
  if (have[0] == '\0' || checksum_text_algorithm (have) != algorithm)
    return fail (err, ERR_SOURCE_CHECKSUM,
                 "%s: the image was not hashed with %s when it was imported, so that the "
                 "checksum cannot be checked; `qimport start --force --checksum ALGO:HEX` "
                 "imports it again",
                 q->imp.target, hash_title (algorithm));
  return fail (err, ERR_SOURCE_CHECKSUM,
               "%s: the image that was imported has the %s %s, not %s; `qimport start "
               "--force` imports another",
               q->imp.target, hash_title (algorithm), checksum_text_hex (have),
               checksum_text_hex (want));
}

static int
is_complete (struct qimport *q, struct error *err)
{
  if (import_same_url (q, err) == -1 || import_same_disk (q, err) == -1
      || check_expected (q, err) == -1)
    return -1;
  /* with a digest that was asked for, and that nobody can forge, it is the image, whatever its
   * URL */
  if (!q->ask_source
      || (q->options->checksum != NULL
          && !hash_is_weak (checksum_text_algorithm (q->options->checksum))))
    return PHASE_OVER;
  q->phase = phase_ask_source;
  return PHASE_MORE;
}

static int
decide (struct qimport *q, struct error *err)
{
  if (q->imp.now.state != IMPORT_COMPLETE) {
    q->phase = phase_resume;
    return import_same_url (q, err) == -1 ? -1 : PHASE_MORE;
  }
  if (still_there (q))
    return is_complete (q, err);
  memset (&q->imp, 0, sizeof q->imp);
  q->phase = phase_start;
  return PHASE_MORE;
}

int
phase_ensure (struct qimport *q, int timeout_ms, struct error *err)
{
  char canonical[PATH_MAX] = "";
  enum target_kind kind;
  struct target_spec spec;
  struct error ignored;

  (void)timeout_ms;
  import_target_spec (q, &spec);
  target_preflight (&spec, &kind, canonical, &ignored);
  if (canonical[0] == '\0' || journal_find (q->journal, canonical, &q->imp, &ignored) == -1) {
    memset (&q->imp, 0, sizeof q->imp);
    q->phase = phase_start;
    return PHASE_MORE;
  }
  return decide (q, err);
}
