/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksums: what the publisher says the image's checksum is, asked before anything is made:
 * the file of --checksums is fetched, its signature with it (signed.c), and what it says
 * becomes what
 * --checksum would have said.  What such a file says is trust/'s question.
 */
#include "import/checksums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "trust/checksum_file.h"

/* ---- Small files --------------------------------------------------------------------------
 */

bool
import_is_http (const char *where)
{
  return strncasecmp (where, "http://", 7) == 0 || strncasecmp (where, "https://", 8) == 0;
}

int
import_open_beside (struct qimport *q, struct source **s, const char *where, struct error *err)
{
  struct source_options so = { .stop = &q->stops.give_up,
                               .deadline_ms = q->stops.deadline,
                               .login.credentials_url = q->given.url };

  import_source_options (q, &so);
  if (source_open (s, where, &so, err) == 0)
    return 0;
  /* a name that was mistyped here, not what a publisher lacks */
  if (!import_is_http (where) && error_status (err->code) == QIMPORT_SOURCE)
    err->code = ERR_USAGE;
  return -1;
}

/* All of it into BUF, which holds one byte more than MAX. */
static int
read_whole (struct source *s, char *buf, size_t max, size_t *len, struct error *err)
{
  size_t head_max = max < IMAGE_HEAD_MAX ? max : IMAGE_HEAD_MAX, got = 1;
  struct source_identity id;

  if (source_probe (s, NULL, false, &id, (uint8_t *)buf, head_max, len, err) == -1)
    return -1;
  if (*len < id.length || !id.ranges)
    *len = 0;
  else
    got = 0; /* the first answer was all of it */
  while (got > 0 && *len <= max) {
    if (source_stream_read (s, buf + *len, max + 1 - *len, &got, err) == -1)
      return -1;
    *len += got;
  }
  if (*len > max)
    return fail (err, ERR_SOURCE_CHECKSUM, "%s: larger than the %zu KiB that it may have",
                 source_url (s), max >> 10);
  return 0;
}

int
import_fetch_small (struct qimport *q, const char *where, size_t max, struct small_file *out,
                    struct error *err)
{
  OWN (source) s = NULL;

  *out = (struct small_file){ 0 };
  if (import_open_beside (q, &s, where, err) == -1)
    return -1;
  out->bytes = malloc (max + 2);
  if (out->bytes == NULL)
    return fail_memory (err, "a file of checksums");
  redact_url (out->shown, sizeof out->shown, where);
  return read_whole (s, out->bytes, max, &out->len, err);
}

void
small_file_release (struct small_file *f)
{
  free (f->bytes);
  f->bytes = NULL;
}

/* ---- What is expected ----------------------------------------------------------------------
 */

static int
disagrees (const char *where, const struct checksum *c, const char *given, struct error *err)
{
  char hex[HASH_HEX];

  return fail (
      err, ERR_SOURCE_CHECKSUM,
      "%s: the image's %s is %s there, not %s as --checksum says; leave one of them out", where,
      hash_title (c->algorithm), checksum_hex (hex, c), checksum_text_hex (given));
}

/* Which of them: one that can be compared with LIKE, or the strongest. */
static int
choose (struct qimport *q, const char *where, const struct checksums *said, const char *like,
        const struct checksum **chosen, struct error *err)
{
  const char *given = q->options->checksum;
  struct checksum want;

  *chosen = checksums_strongest (said);
  if (checksum_from_text (&want, like) && said->has[want.algorithm])
    *chosen = &said->of[want.algorithm];
  if (given == NULL || !checksum_from_text (&want, given))
    return 0;
  *chosen = &said->of[want.algorithm];
  if (!said->has[want.algorithm])
    return fail (err, ERR_USAGE,
                 "%s: has no %s of the image to compare with --checksum; leave one of them out",
                 where, hash_title (want.algorithm));
  return checksum_same (*chosen, &want) ? 0 : disagrees (where, *chosen, given, err);
}

int
import_expect (struct qimport *q, const struct published *p, struct error *err)
{
  char text[HASH_TEXT];
  OWN_MEM char *detail = NULL;

  checksum_text (text, &p->sum);
  if (asprintf (&detail, "%s %s %s", text, p->how, p->where) == -1) {
    detail = NULL;
    return fail_memory (err, "a checksum");
  }
  import_event (q, "checksum", detail);
  return options_set (q->options, "checksum", text, err);
}

static int
look_up (struct qimport *q, const struct small_file *f, struct span text, const char *like,
         struct published *out, struct error *err)
{
  const struct checksum *chosen;
  char name[CHECKSUM_NAME_MAX];
  struct checksums said;

  if (checksum_name (q->given.url, name, err) == -1)
    return -1;
  if (checksum_file_read (text, name, &said, err) == -1)
    return fail_in (err, f->shown);
  if (choose (q, f->shown, &said, like, &chosen, err) == -1)
    return -1;
  out->sum = *chosen;
  snprintf (out->where, sizeof out->where, "%s", f->shown);
  if (hash_is_weak (chosen->algorithm))
    import_warn (q, "%s: of the image it has only the %s, which can be forged", f->shown,
                 hash_title (chosen->algorithm));
  return 0;
}

int
import_ask_publisher (struct qimport *q, const char *like, struct published *out,
                      struct error *err)
{
  __attribute__ ((cleanup (small_file_release))) struct small_file f;
  OWN_MEM char *signed_text = NULL;
  struct signer signer;
  struct span text;

  if (import_fetch_small (q, q->options->checksums, CHECKSUM_FILE_MAX, &f, err) == -1)
    return -1;
  text = (struct span){ f.bytes, f.len };
  snprintf (out->how, sizeof out->how, "unsigned");
  if (q->options->signed_by != NULL) {
    if (import_check_signed (q, &f, &text, &signed_text, &signer, err) == -1)
      return -1;
    snprintf (out->how, sizeof out->how, "signed-by=%s", signer.fingerprint);
  }
  return look_up (q, &f, text, like, out, err);
}

/* What was given by hand is warned of like what was found. */
static void
warn_weak (struct qimport *q)
{
  enum hash_algorithm algorithm;

  if (q->options->checksum == NULL || q->options->checksums != NULL)
    return;
  algorithm = checksum_text_algorithm (q->options->checksum);
  if (hash_is_weak (algorithm))
    import_warn (q,
                 "--checksum: %s can be forged; give a SHA-256 or SHA-512 where there is one",
                 hash_title (algorithm));
}

int
import_checksums (struct qimport *q, struct error *err)
{
  const struct qimport_options *o = q->options;
  struct published said;
  int rc = 0;

  if (o->signature != NULL && o->signed_by == NULL)
    return fail (err, ERR_USAGE,
                 "--signature: give the keys that count with --signed-by KEYRING");
  warn_weak (q);
  if (o->checksums != NULL)
    rc = import_ask_publisher (q, "", &said, err);
  else if (o->signed_by != NULL)
    rc = import_signed_image (q, &said, err);
  else
    return 0;
  return rc == -1 ? -1 : import_expect (q, &said, err);
}
