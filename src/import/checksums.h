/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksums: what is asked beside the image: files of checksums and signatures, which are small
 * and read whole.
 */
#ifndef QIMPORT_IMPORT_CHECKSUMS_H
#define QIMPORT_IMPORT_CHECKSUMS_H

#include "base/hash.h"
#include "import/import.h"
#include "trust/gpgv_status.h"
#include "trust/span.h"

struct small_file {
  char shown[1024]; /* where it came from, without secrets */
  char *bytes;
  size_t len;
};

bool import_is_http (const char *where);
/* A source beside the image: the credentials are those of the image's origin (J8).  A local
 * file that is not there is ERR_USAGE. */
int import_open_beside (struct qimport *q, struct source **s, const char *where,
                        struct error *err);
/* All of WHERE, at most MAX bytes.  To be released in any case. */
int import_fetch_small (struct qimport *q, const char *where, size_t max,
                        struct small_file *out, struct error *err);
void small_file_release (struct small_file *f);

/* What the publisher says the image must be. */
struct published {
  struct checksum sum;
  char how[32 + FINGERPRINT_MAX]; /* unsigned, signed-by=FINGERPRINT, image-signed-by=... */
  char where[1024];               /* is it said; without secrets */
};

/* What the file of --checksums says, which is signed where that is asked for.  Of several one
 * that can be compared with LIKE, a checksum's text or "", else the strongest. */
int import_ask_publisher (struct qimport *q, const char *like, struct published *out,
                          struct error *err);
/* The image must be so from now on; the receipt tells who says it. */
int import_expect (struct qimport *q, const struct published *p, struct error *err);

/* signed.c: F must be signed by one of the keys of --signed-by.  *TEXT is what was signed,
 * *OWNED (to be freed) what it lies in where it is not F itself. */
int import_check_signed (struct qimport *q, const struct small_file *f, struct span *text,
                         char **owned, struct signer *signer, struct error *err);
/* signed.c: the image itself must be.  It is read once for that. */
int import_signed_image (struct qimport *q, struct published *out, struct error *err);

#endif
