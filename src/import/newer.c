/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * newer: ensure --newer over an import: is the image at its URL another one now?  By
 * what its publisher says where that is asked, else by what the server and the image's own
 * tables say. If so it is imported again, as if it had been started; what was imported stays
 * whole where it is a file, until the new disk takes its name.
 */
#include "import/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/descriptor.h"

int
import_not_asked (struct qimport *q, struct error *err)
{
  if (error_status (err->code) != QIMPORT_INTERRUPTED || err->code == ERR_INTERRUPTED
      || err->code == ERR_MAX_TIME)
    return -1;
  if (q->imp.now.state != IMPORT_COMPLETE)
    return PHASE_RESUME; /* which says what is wrong, if it still is */
  import_warn (q,
               "%s: whether there is a newer image could not be asked (%.600s); what was "
               "imported is there",
               q->imp.target, err->text);
  return PHASE_OVER;
}

/* Whatever was opened to look is of the old import. */
static void
forget_old (struct qimport *q)
{
  struct error ignored;

  import_close_image (q);
  image_forget (&q->image);
  import_tell_early (q, &ignored); /* to nobody: they are of no import */
  memset (&q->imp, 0, sizeof q->imp);
  q->doubt.ask_source = false;
}

/* Is what would be overwritten ours?  A complete one was found to be there before this was
 * asked; one in progress says so itself. */
static bool
is_ours (const struct qimport *q)
{
  struct target_spec spec;
  char marked[37];

  if (q->imp.now.state == IMPORT_COMPLETE)
    return true;
  import_target_spec (q, &spec);
  target_marked_by (&spec, marked);
  return strcmp (marked, q->imp.id) == 0;
}

/* What it is stays as it was: the same snapshot, the same format. */
/* Over what the old image left there, the newer one would make a disk of both. */
static int
refuse_kept (const struct qimport *q, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s: the image at %s is another one now, but the target holds the old one in "
               "place of what it held (--unallocated keep); put back what it held, `qimport "
               "forget %.8s`, then `qimport start`",
               q->imp.target, q->image.records[0].url, q->imp.id);
}

static int
begin_again (struct qimport *q, struct error *err)
{
  bool in_place = strcmp (q->imp.target_kind, "file") != 0, ours = is_ours (q);

  if (q->imp.keep_holes && q->imp.target_identity[0] != '\0')
    return refuse_kept (q, err);
  import_warn (q, "%s: the image at %s is another one now and is imported again%s",
               q->imp.target, q->image.records[0].url,
               in_place ? "; until that is complete the target holds neither" : "");
  if (options_recall_defining (q->options, q->imp.options, err) == -1)
    return -1;
  forget_old (q);
  q->options->force = q->options->force || ours;
  q->standing.renews = true;
  return PHASE_START;
}

int
import_newer (struct qimport *q, const char *have, const char *want, struct error *err)
{
  bool complete = q->imp.now.state == IMPORT_COMPLETE;

  if (want[0] == '\0' || have[0] == '\0'
      || checksum_text_algorithm (want) != checksum_text_algorithm (have))
    return PHASE_ASK_NEWER;
  if (strcmp (want, have) != 0)
    return begin_again (q, err);
  return complete ? PHASE_OVER : PHASE_ASK_NEWER;
}

/* With the options of the old import: its snapshot, its backing files.  Of another URL that it
 * is the same image is more than that nothing speaks against it. */
static int
look (struct qimport *q, bool other_url, struct error *err)
{
  struct error weak;
  int strong;

  if (import_began_with (q, err) == -1 || import_recall_sources (q, err) == -1)
    return -1;
  strong = other_url ? import_strong_tags (q, &weak) : 0; /* of those that it began with */
  if (import_open_image (q, true, err) == -1
      || import_check_identity (q, q->image.validator_changed, err) == -1)
    return -1;
  if (strong == -1)
    *err = weak;
  return strong;
}

int
phase_ask_newer (struct qimport *q, int timeout_ms, struct error *err)
{
  struct qimport_options *given = q->options;
  bool other_url = q->doubt.ask_source; /* its query differs */
  int rc;

  (void)timeout_ms;
  if (url_descriptor (q->given.url, NULL))
    return fail (err, ERR_USAGE, "--newer: a pipe cannot be asked for what it had; give a URL");
  q->options = options_copy (given);
  q->doubt.ask_source = true; /* that URL, and no mirror */
  rc = q->options == NULL ? fail_memory (err, "the options") : look (q, other_url, err);
  q->doubt.ask_source = false;
  import_close_image (q);
  options_close (q->options);
  q->options = given;
  if (rc == -1
      && (err->code == ERR_SOURCE_CHANGED || error_status (err->code) == QIMPORT_IMAGE))
    return begin_again (q, err);
  image_forget (&q->image);
  if (rc == -1)
    return import_not_asked (q, err);
  return q->imp.now.state == IMPORT_COMPLETE ? PHASE_OVER : PHASE_RESUME;
}
