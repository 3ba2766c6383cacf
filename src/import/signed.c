/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * signed: --signed-by and --signature: finds the signature of a file of checksums, or of the
 * image, and has it checked, before anything is made.  Whether a signature is good is trust/'s
 * question.
 */
#include "import/checksums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/clear_signed.h"
#include "trust/signature.h"

enum { PIECE = 256 << 10 };

/* What publishers put behind a file's name. */
static const char *const suffixes[] = { ".asc", ".sig", ".gpg", ".sign" };

enum { N_SUFFIXES = sizeof suffixes / sizeof *suffixes };

/* WHERE with SUFFIX behind its path; the caller frees. */
static char *
with_suffix (const char *where, const char *suffix)
{
  size_t n = import_is_http (where) ? strcspn (where, "?#") : strlen (where);
  char *out = NULL;

  if (asprintf (&out, "%.*s%s%s", (int)n, where, suffix, where + n) == -1)
    return NULL;
  return out;
}

/* ---- A file of checksums -------------------------------------------------------------------
 */

static int
check (struct qimport *q, const struct span *signature, struct span data, struct signer *signer,
       struct signature_check **checked, struct error *err)
{
  OWN (signature_check) c = NULL;

  if (signature_begin (&c, q->options->signed_by, signature, err) == -1
      || signature_write (c, data.at, data.len, err) == -1
      || signature_end (c, signer, err) == -1)
    return -1;
  if (checked != NULL) {
    *checked = c;
    c = NULL;
  }
  return 0;
}

/* F against the detached signature SIG. */
static int
check_detached (struct qimport *q, const struct small_file *f, const struct small_file *sig,
                struct signer *signer, struct error *err)
{
  struct span signature = { sig->bytes, sig->len }, data = { f->bytes, f->len };
  char place[2 * sizeof f->shown + 16];
  int rc;

  rc = check (q, &signature, data, signer, NULL, err);
  snprintf (place, sizeof place, "%s (with %s)", f->shown, sig->shown);
  return rc == -1 && err->code == ERR_SOURCE_SIGNATURE ? fail_in (err, place) : rc;
}

static int
check_given (struct qimport *q, const struct small_file *f, struct signer *signer,
             struct error *err)
{
  __attribute__ ((cleanup (small_file_release))) struct small_file sig;

  if (import_fetch_small (q, q->options->signature, SIGNATURE_MAX, &sig, err) == -1)
    return -1;
  return check_detached (q, f, &sig, signer, err);
}

/* The usual place number I beside WHERE.  1: nothing is there. */
static int
fetch_usual (struct qimport *q, const char *where, size_t i, struct small_file *sig,
             struct error *err)
{
  OWN_MEM char *place = with_suffix (where, suffixes[i]);

  *sig = (struct small_file){ .bytes = NULL };
  if (place == NULL)
    return fail_memory (err, "a URL");
  if (import_fetch_small (q, place, SIGNATURE_MAX, sig, err) == 0)
    return 0;
  return err->code == ERR_SOURCE_NOT_FOUND || err->code == ERR_SOURCE_DENIED
                 || err->code == ERR_SOURCE_FAILED || err->code == ERR_USAGE
             ? 1
             : -1;
}

/* Which of the usual places has a signature that counts?  What was found and does not is told,
 * if none does. */
static int
check_usual (struct qimport *q, const struct small_file *f, struct signer *signer,
             struct error *err)
{
  struct error why = { ERR_NONE, "" };
  size_t i;
  int rc;

  for (i = 0; i < N_SUFFIXES; i++) {
    __attribute__ ((cleanup (small_file_release))) struct small_file sig;

    rc = fetch_usual (q, q->options->checksums, i, &sig, err);
    if (rc == 0)
      rc = check_detached (q, f, &sig, signer, err);
    if (rc == 0 || (rc == -1 && err->code != ERR_SOURCE_SIGNATURE))
      return rc;
    if (rc == -1 && why.code == ERR_NONE)
      why = *err;
  }
  if (why.code == ERR_NONE)
    return fail (err, ERR_SOURCE_SIGNATURE,
                 "%s: is not clear-signed, and nothing is there with .asc, .sig, .gpg or .sign "
                 "behind its name; say with --signature where its signature is",
                 f->shown);
  *err = why;
  return -1;
}

/* What counts of it is what gpgv itself read. */
static int
check_block (struct qimport *q, const struct small_file *f, struct span block,
             struct span *text, char **owned, struct signer *signer, struct error *err)
{
  OWN (signature_check) c = NULL;

  if (check (q, NULL, block, signer, &c, err) == -1)
    return err->code == ERR_SOURCE_SIGNATURE ? fail_in (err, f->shown) : -1;
  if (signature_text (c, owned, &text->len, err) == -1)
    return -1;
  text->at = *owned;
  return 0;
}

int
import_check_signed (struct qimport *q, const struct small_file *f, struct span *text,
                     char **owned, struct signer *signer, struct error *err)
{
  const struct qimport_options *o = q->options;
  struct clear_signed within;
  int rc;

  *text = (struct span){ f->bytes, f->len };
  if (o->signature != NULL)
    return check_given (q, f, signer, err);
  rc = clear_signed_find (span_without_mark (*text), &within, err);
  if (rc == -1)
    return fail_in (err, f->shown);
  if (rc == 1)
    return check_block (q, f, within.block, text, owned, signer, err);
  return check_usual (q, f, signer, err);
}

/* ---- The image -----------------------------------------------------------------------------
 */

/* Its signature: where it is said to be, or the first that is there. */
static int
fetch_signature (struct qimport *q, struct small_file *sig, struct error *err)
{
  size_t i;
  int rc = 1;

  if (q->options->signature != NULL)
    return import_fetch_small (q, q->options->signature, SIGNATURE_MAX, sig, err);
  for (i = 0; i < N_SUFFIXES && rc == 1; i++) {
    small_file_release (sig);
    rc = fetch_usual (q, q->given.url, i, sig, err);
    if (rc == 0 && sig->len == 0)
      rc = 1;
  }
  if (rc != 1)
    return rc;
  return fail (err, ERR_SOURCE_SIGNATURE,
               "--signed-by: nothing is beside the image with .asc, .sig, .gpg or .sign behind "
               "its name; say with --signature where its signature is, or give --checksums");
}

/* Read forward, through gpgv and into H. */
static int
read_through (struct qimport *q, struct signature_check *c, struct hash *h, struct error *err)
{
  OWN_MEM char *buf = malloc (PIECE);
  OWN (source) s = NULL;
  struct source_identity id;
  size_t got;

  if (buf == NULL)
    return fail_memory (err, "a buffer");
  if (import_open_beside (q, &s, q->given.url, err) == -1
      || source_probe (s, NULL, false, &id, (uint8_t *)buf, IMAGE_HEAD_MAX, &got, err) == -1)
    return -1;
  if (id.length == UINT64_MAX && !import_is_http (q->given.url))
    return fail (
        err, ERR_USAGE,
        "--signed-by: the image's own signature is checked before it is imported, and a "
        "pipe can be read once; give --checksums with a signed file");
  import_note (q, "reading the image once, for its signature");
  do {
    if (source_stream_read (s, buf, PIECE, &got, err) == -1
        || signature_write (c, buf, got, err) == -1)
      return -1;
    hash_update (h, buf, got);
  } while (got > 0);
  return 0;
}

/* The signature says nothing of a digest that a second reading could be held against: one is
 * made on the way. */
int
import_signed_image (struct qimport *q, struct published *out, struct error *err)
{
  __attribute__ ((cleanup (small_file_release))) struct small_file sig = { .bytes = NULL };
  OWN (signature_check) c = NULL;
  char shown[1024];
  const char *given = q->options->checksum;
  struct signer signer;
  struct checksum want;
  struct span signature;
  struct hash h;

  hash_init (&h, given == NULL ? HASH_SHA256 : checksum_text_algorithm (given));
  if (fetch_signature (q, &sig, err) == -1)
    return -1;
  signature = (struct span){ sig.bytes, sig.len };
  if (signature_begin (&c, q->options->signed_by, &signature, err) == -1
      || read_through (q, c, &h, err) == -1)
    return -1;
  redact_url (shown, sizeof shown, q->given.url);
  if (signature_end (c, &signer, err) == -1)
    return err->code == ERR_SOURCE_SIGNATURE ? fail_in (err, shown) : -1;
  hash_peek (&h, &out->sum);
  if (given != NULL && checksum_from_text (&want, given) && !checksum_same (&out->sum, &want))
    return fail (err, ERR_SOURCE_CHECKSUM,
                 "%s: the image's %s is not what --checksum says, though it is signed", shown,
                 hash_title (want.algorithm));
  snprintf (out->how, sizeof out->how, "image-signed-by=%s", signer.fingerprint);
  snprintf (out->where, sizeof out->where, "%s", sig.shown);
  return 0;
}
