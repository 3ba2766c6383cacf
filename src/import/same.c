/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * same: is what is asked for now the import that the journal has?  Options that define an
 * import were decided when it began: at a resume, or when it is ensured again, they are the
 * same or not given.  URLs are compared by what is stored of them and by their marks; where
 * that is not enough, the bytes behind them decide.  Nothing is written here.
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/url.h"
#include "import/memo.h"

/* ---- Options ----------------------------------------------------------------------------- */

static void
options_closep (struct qimport_options **o)
{
  options_close (*o);
}

/* Options as the import began with them. */
static int
began_with (const struct journal_import *imp, struct qimport_options *out, struct error *err)
{
  char snapshot[sizeof imp->snapshot];

  if (options_recall (out, imp->options, err) == -1)
    return -1;
  if (out->snapshot != NULL || imp->snapshot[0] == '\0')
    return 0;
  snprintf (snapshot, sizeof snapshot, "%s", imp->snapshot); /* of a version that forgot it */
  return options_set (out, "snapshot", unescape_text (snapshot), err);
}

static int
another_import (const struct qimport *q, const char *given, const char *began,
                struct error *err)
{
  const struct journal_import *imp = &q->imp;

  if (q->job != JOB_ENSURE)
    return fail (err, ERR_USAGE,
                 "%s: import %.8s began with %s, which holds to its end; leave it out, or "
                 "`qimport forget %.8s` and start another",
                 given, imp->id, began, imp->id);
  if (imp->now.state != IMPORT_COMPLETE)
    return fail (err, ERR_TARGET_EXISTS,
                 "%s: has an interrupted import with %s, not %s; `qimport resume %.8s` goes on "
                 "with it, `qimport forget %.8s` drops it",
                 imp->target, began, given, imp->id, imp->id);
  return fail (err, ERR_TARGET_EXISTS,
               "%s: was imported with %s, not %s; give another target, or `qimport start "
               "--force`",
               imp->target, began, given);
}

/* What the first bytes decided at the begin is no other format where it is named now. */
static void
name_format (const struct qimport *q, struct qimport_options *was)
{
  const char *found = q->image.records[0].format;
  bool same = (q->options->format == FORMAT_RAW && strcmp (found, "raw") == 0)
              || (q->options->format == FORMAT_QCOW2 && strcmp (found, "qcow2") == 0);

  if (was->format == FORMAT_AUTO && same)
    was->format = q->options->format;
}

static int
check_options (struct qimport *q, struct qimport_options *was, bool promises, struct error *err)
{
  char given[OPTION_SHOWN], began[OPTION_SHOWN];

  name_format (q, was);
  if (options_contradict (q->options, was, promises, given, began))
    return another_import (q, given, began, err);
  return 0;
}

/* ---- URLs -------------------------------------------------------------------------------- */

/* *SAME: URL, of layer K, is the recorded one as far as that is stored; *MEANS_SAME: and so are
 * the parts of it that are not, by their mark. */
static int
compare_url (const struct qimport *q, unsigned k, const char *url,
             const struct option_memo *memo, bool *same, bool *means_same, struct error *err)
{
  const struct journal_layer *layer = &q->image.records[k];
  const char *mark = memo->url_mark[k];
  OWN_MEM char *absolute = NULL;
  char shown[sizeof layer->url];

  if (image_absolute_url (url, &absolute, err) == -1)
    return -1;
  *same = strcmp (redact_url (shown, sizeof shown, absolute), layer->url) == 0;
  if (mark == NULL)
    mark = layer->url_had_secret ? "" : "-";
  *means_same = url_mark_fits (mark, absolute);
  return 0;
}

static int
read_layers (struct qimport *q, struct error *err)
{
  unsigned k;

  for (k = 0; k < q->imp.layers && k < IMAGE_LAYERS_MAX; k++)
    if (journal_get_layer (q->journal, q->imp.no, k, &q->image.records[k], err) == -1)
      return -1;
  return 0;
}

/* Backing files that are given are those of the import, all of them and in their order. */
static int
check_backing (struct qimport *q, const struct option_memo *memo, struct error *err)
{
  char *const *given = q->options->backing.item;
  char one[OPTION_SHOWN], other[OPTION_SHOWN], shown[OPTION_SHOWN];
  bool same = true, means_same = true;
  unsigned k;

  if (given[0] == NULL)
    return 0;
  for (k = 1; k < q->imp.layers && given[k - 1] != NULL && same; k++) {
    if (compare_url (q, k, given[k - 1], memo, &same, &means_same, err) == -1)
      return -1;
    q->doubt.ask_source |= !means_same;
  }
  if (same && k == q->imp.layers && given[k - 1] == NULL)
    return 0;
  k -= !same;
  snprintf (one, sizeof one, "--backing %.300s",
            given[k - 1] != NULL ? redact_url (shown, sizeof shown, given[k - 1])
                                 : "(no more)");
  snprintf (other, sizeof other, "--backing %.300s",
            k < q->imp.layers ? q->image.records[k].url : "(no more)");
  return another_import (q, one, other, err);
}

/* What was promised of the target counts while it is known that this is the one: nothing else
 * was written to it, and it was claimed. */
static void
hold_promises (struct qimport *q, bool anew)
{
  if ((!anew && q->imp.now.target_epoch > 0) || !options_void_promises (q->options))
    return;
  import_warn (q,
               anew ? "%s: its import was begun anew and has written to it since "
                      "--target-is-zero was promised; it is not relied on any more"
                    : "%s: nothing says that it is still the one of which --target-is-zero was "
                      "promised; it is not relied on",
               q->imp.target);
}

int
import_hold_options (struct qimport *q, struct error *err)
{
  __attribute__ ((cleanup (options_closep))) struct qimport_options *was = options_new ();
  bool anew = q->options->restart;

  if (was == NULL)
    return fail_memory (err, "the options");
  if (began_with (&q->imp, was, err) == -1 || read_layers (q, err) == -1
      || check_options (q, was, !anew && !was->memo.promises_void, err) == -1
      || check_backing (q, &was->memo, err) == -1
      || began_with (&q->imp, q->options, err) == -1)
    return -1;
  hold_promises (q, anew || was->memo.promises_void);
  return 0;
}

int
import_same_disk (struct qimport *q, struct error *err)
{
  __attribute__ ((cleanup (options_closep))) struct qimport_options *was = options_new ();

  if (was == NULL)
    return fail_memory (err, "the options");
  /* a promise about what stood there before it says nothing about what stands there now */
  if (began_with (&q->imp, was, err) == -1 || check_options (q, was, false, err) == -1)
    return -1;
  return check_backing (q, &was->memo, err);
}

int
import_same_url (struct qimport *q, struct error *err)
{
  __attribute__ ((cleanup (options_closep))) struct qimport_options *was = options_new ();
  const struct journal_import *imp = &q->imp;
  bool same, means_same;

  if (was == NULL)
    return fail_memory (err, "the options");
  if (began_with (imp, was, err) == -1 || read_layers (q, err) == -1
      || compare_url (q, 0, q->given.url, &was->memo, &same, &means_same, err) == -1)
    return -1;
  q->doubt.ask_source |= !means_same;
  if (same)
    return 0;
  if (imp->now.state == IMPORT_COMPLETE)
    return fail (
        err, ERR_TARGET_EXISTS,
        "%s: was imported from another URL, %s; give another target, or `qimport start "
        "--force`",
        imp->target, q->image.records[0].url);
  return fail (err, ERR_TARGET_EXISTS,
               "%s: has an interrupted import from another URL, %s; `qimport resume %.8s` "
               "goes on with it, `qimport forget %.8s` drops it",
               imp->target, q->image.records[0].url, imp->id, imp->id);
}

int
import_mark_urls (struct qimport *q, struct error *err)
{
  unsigned k;

  for (k = 0; k < q->image.n_layers; k++)
    if (memo_mark_url (&q->options->memo, k, q->image.urls[k], err) == -1)
      return -1;
  return 0;
}

/* ---- Sources ----------------------------------------------------------------------------- */

static bool
has_credentials (const struct qimport_options *o)
{
  return o->user_file != NULL || o->bearer_file != NULL || o->header_file != NULL
         || o->netrc_file != NULL || o->netrc;
}

/* A URL as it was given, of what the journal has of it; the caller frees. */
static char *
stored_url (const struct journal_layer *layer)
{
  char *url = strdup (layer->url);

  return url == NULL ? NULL : unescape_text (url);
}

static int
recall_backing (struct qimport *q, unsigned k, struct error *err)
{
  const struct journal_layer *layer = &q->image.records[k];
  OWN_MEM char *url = stored_url (layer);

  if (q->options->backing.item[k - 1] != NULL)
    return 0;
  if (url == NULL)
    return fail_memory (err, "a URL");
  if (layer->url_had_secret && !has_credentials (q->options))
    return fail (err, ERR_SOURCE_DENIED,
                 "%s: the secret part of this backing file's URL is never stored; give all "
                 "backing files again, top down: `qimport %s --backing URL ... %.8s`",
                 layer->url, q->job == JOB_AUDIT ? "audit --repair" : "resume", q->imp.id);
  return options_set (q->options, "backing", url, err);
}

static int
recall_image (struct qimport *q, struct error *err)
{
  const struct journal_layer *layer = &q->image.records[0];
  const struct qimport_options *o = q->options;

  if (q->given.url != NULL) /* ensure */
    return 0;
  q->given.url = o->url != NULL ? strdup (o->url) : stored_url (layer);
  if (q->given.url == NULL)
    return fail_memory (err, "the URL");
  if (o->url != NULL || !layer->url_had_secret || has_credentials (o))
    return 0;
  return fail (err, ERR_SOURCE_DENIED,
               "%s: the secret part of its URL is never stored; give it again: `qimport %s "
               "--url URL %.8s`",
               layer->url, q->job == JOB_AUDIT ? "audit --repair" : "resume", q->imp.id);
}

/* To do without a mirror is safe; to go around a proxy may not be. */
static int
tell_missing (struct qimport *q, struct error *err)
{
  const struct option_memo *memo = &q->options->memo;
  unsigned k;

  for (k = 0; memo->mirror.item[k] != NULL; k++)
    import_warn (q,
                 "%s: the secret part of this mirror's URL is never stored, so that it is not "
                 "used; give all mirrors again with --mirror",
                 memo->mirror.item[k]);
  if (memo->proxy == NULL || q->options->proxy != NULL)
    return 0;
  return fail (err, ERR_SOURCE_DENIED,
               "%s: the password of this proxy is never stored; give it again: `qimport %s "
               "--proxy URL %.8s`",
               memo->proxy, q->job == JOB_AUDIT ? "audit --repair" : "resume", q->imp.id);
}

int
import_recall_sources (struct qimport *q, struct error *err)
{
  unsigned k;

  if (read_layers (q, err) == -1 || recall_image (q, err) == -1)
    return -1;
  for (k = 1; k < q->imp.layers; k++)
    if (recall_backing (q, k, err) == -1)
      return -1;
  return tell_missing (q, err);
}

/* ---- The bytes behind them --------------------------------------------------------------- */

static int
another_image (const struct qimport *q, struct error *err)
{
  struct error why = *err;

  if (why.code != ERR_SOURCE_CHANGED && error_status (why.code) != QIMPORT_IMAGE)
    return -1;
  return fail (err, ERR_TARGET_EXISTS,
               "%s: was begun from another URL (its query differs), and this one is of another "
               "image: %.700s",
               q->imp.target, why.text);
}

static int
cannot_compare (const struct qimport *q, const char *why, struct error *err)
{
  return fail (err, ERR_TARGET_EXISTS,
               "%s: was begun from another URL (its query differs), and %s, so that nothing "
               "tells whether it is the same image; give the URL it began with",
               q->imp.target, why);
}

int
import_strong_tags (const struct qimport *q, struct error *err)
{
  unsigned k;

  for (k = 0; k < q->imp.layers; k++)
    if (q->image.records[k].etag[0] == '\0' || strncmp (q->image.records[k].etag, "W/", 2) == 0)
      return cannot_compare (q, "its server gave no strong ETag", err);
  return 0;
}

int
import_open_same (struct qimport *q, struct error *err)
{
  if (!q->doubt.ask_source)
    return import_open_image (q, true, err) == -1
               ? -1
               : import_check_identity (q, q->image.validator_changed, err);
  if (import_strong_tags (q, err) == -1)
    return -1;
  if (import_open_image (q, true, err) == -1 || import_check_identity (q, true, err) == -1)
    return another_image (q, err);
  return 0;
}

int
import_began_with (struct qimport *q, struct error *err)
{
  return began_with (&q->imp, q->options, err);
}

int
phase_ask_source (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)timeout_ms;
  if (q->imp.stream)
    return cannot_compare (q, "it was read without ranges", err);
  if (import_began_with (q, err) == -1 || import_recall_sources (q, err) == -1
      || import_open_same (q, err) == -1)
    return -1;
  return q->image.stream ? cannot_compare (q, "the server honours no ranges", err) : PHASE_OVER;
}
