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

#include "base/descriptor.h"

#include "import/checksums.h"

/* Is what was imported still there? */
static bool
still_there (struct qimport *q)
{
  struct target_identity id;
  struct target_spec spec;
  struct verify_spec v;
  struct error ignored;
  bool there = false;

  snprintf (id.text, sizeof id.text, "%s", q->imp.target_identity);
  import_target_spec (q, &spec);
  spec.file.may_grow = import_is_kept (&q->imp);
  if (target_open_finished (&q->target, &spec, &id, false, &ignored) == 0
      && import_recall_amends (q, true, &ignored) == 0) {
    import_verify_spec (q, &v);
    if (verify_target_is_there (&v, &there, &ignored) == -1)
      there = false;
  }
  target_close (q->target);
  q->target = NULL;
  return there;
}

/* What the image must be now: as it was given, or as its publisher says today, if it does so by
 * the algorithm of LIKE. */
static int
expected_now (struct qimport *q, const char *like, char want[HASH_TEXT], struct error *err)
{
  struct published said;

  want[0] = '\0';
  if (q->options->checksum != NULL)
    snprintf (want, HASH_TEXT, "%s", q->options->checksum);
  if (q->options->checksums == NULL)
    return 0;
  if (import_ask_publisher (q, like, &said, err) == -1)
    return -1;
  checksum_text (want, &said.sum);
  return 0;
}

/* Complete: but of the image that is expected now? */
static int
check_expected (const struct qimport *q, const char *want, struct error *err)
{
  const char *have = q->imp.now.image_sha256;
  enum hash_algorithm algorithm;

  if (want[0] == '\0' || strcmp (want, have) == 0)
    return 0;
  algorithm = checksum_text_algorithm (want);
  if (have[0] == '\0' || checksum_text_algorithm (have) != algorithm)
    return fail (err, ERR_SOURCE_CHECKSUM,
                 "%s: the image was not hashed with %s when it was imported, so that the "
                 "checksum cannot be checked; `qimport start --force --checksum ALGO:HEX` "
                 "imports it again",
                 q->imp.target, hash_title (algorithm));
  return fail (
      err, ERR_SOURCE_CHECKSUM,
      "%s: the image that was imported has the %s %s, not %s; `qimport ensure --newer` "
      "imports the one that is there now",
      q->imp.target, hash_title (algorithm), checksum_text_hex (have),
      checksum_text_hex (want));
}

/* With a digest that was asked for, and that nobody can forge, it is the image, whatever its
 * URL.
 */
static bool
is_proven (const char *want)
{
  return want[0] != '\0' && !hash_is_weak (checksum_text_algorithm (want));
}

static int
is_complete (struct qimport *q, struct error *err)
{
  char want[HASH_TEXT];

  if (import_same_url (q, err) == -1 || import_same_disk (q, err) == -1)
    return -1;
  if (expected_now (q, q->imp.now.image_sha256, want, err) == -1)
    return q->options->newer ? import_not_asked (q, err) : -1;
  if (q->options->newer)
    return import_newer (q, q->imp.now.image_sha256, want, err);
  if (check_expected (q, want, err) == -1)
    return -1;
  if (!q->doubt.ask_source || is_proven (want))
    return PHASE_OVER;
  return PHASE_ASK_SOURCE;
}

/* What was interrupted is of no use any more where the image is another one: with --newer it is
 * begun again instead of being refused until somebody looks. */
static int
is_unfinished (struct qimport *q, struct error *err)
{
  char want[HASH_TEXT];

  if (import_same_url (q, err) == -1)
    return -1;
  if (!q->options->newer || !q->imp.sealed || q->imp.now.holder[0] != '\0'
      || url_descriptor (q->given.url, NULL))
    return PHASE_RESUME;
  if (expected_now (q, q->imp.expect_sha256, want, err) == -1)
    return import_not_asked (q, err);
  return import_newer (q, q->imp.expect_sha256, want, err);
}

static int
decide (struct qimport *q, struct error *err)
{
  if (q->imp.now.state != IMPORT_COMPLETE)
    return is_unfinished (q, err);
  if (still_there (q))
    return is_complete (q, err);
  memset (&q->imp, 0, sizeof q->imp);
  return PHASE_START;
}

int
phase_ensure (struct qimport *q, int timeout_ms, struct error *err)
{
  char canonical[PATH_MAX];
  struct target_spec spec;
  struct error ignored;

  (void)timeout_ms;
  import_target_spec (q, &spec);
  target_canonical (spec.path, canonical);
  if (canonical[0] == '\0' || journal_find (q->journal, canonical, &q->imp, &ignored) == -1) {
    memset (&q->imp, 0, sizeof q->imp);
    return PHASE_START;
  }
  return decide (q, err);
}
