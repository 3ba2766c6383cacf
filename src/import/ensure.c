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

#include "base/text.h"

/* What the journal would remember of the URL that was given now. */
static int
given_url (struct qimport *q, char *out, size_t size, struct error *err)
{
  OWN_MEM char *absolute = NULL;

  if (import_absolute_url (q->url, &absolute, err) == -1)
    return -1;
  redact_url (out, size, absolute);
  return 0;
}

/* Is what was imported still there? */
static bool
still_there (struct qimport *q)
{
  struct target_identity id;
  struct target_spec spec;
  OWN (target) t = NULL;
  struct error ignored;

  snprintf (id.text, sizeof id.text, "%s", q->imp.target_identity);
  import_target_spec (q, &spec);
  return target_open_finished (&t, &spec, &id, false, &ignored) == 0;
}

/* Complete: but of the image that is expected now? */
static int
check_expected (struct qimport *q, struct error *err)
{
  const char *want = q->options->checksum, *have = q->imp.image_sha256;
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
decide (struct qimport *q, struct error *err)
{
  struct journal_layer *layer = &q->records[0];
  char url[sizeof layer->url];

  if (journal_get_layer (q->journal, q->imp.no, 0, layer, err) == -1
      || given_url (q, url, sizeof url, err) == -1)
    return -1;
  if (q->imp.state != IMPORT_COMPLETE) {
    if (strcmp (url, layer->url) != 0)
      return fail (err, ERR_TARGET_EXISTS,
                   "%s: has an interrupted import from another URL, %s; `qimport resume %.8s` "
                   "goes on with it, `qimport forget %.8s` drops it",
                   q->imp.target, layer->url, q->imp.id, q->imp.id);
    q->phase = phase_resume;
    return PHASE_MORE;
  }
  if (still_there (q)) {
    if (strcmp (url, layer->url) == 0)
      return check_expected (q, err);
    return fail (
        err, ERR_TARGET_EXISTS,
        "%s: was imported from another URL, %s; give another target, or `qimport start "
        "--force`",
        q->imp.target, layer->url);
  }
  memset (&q->imp, 0, sizeof q->imp);
  memset (layer, 0, sizeof *layer);
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
