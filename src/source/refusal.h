/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * refusal: what the body of a refusal says, as stores write it (S3 and its kin, Azure and
 * Google in XML, others in JSON), and what that asks of the user.  Pure: bytes in, words out;
 * nothing of it is believed further than a message goes, but that a credential is over.
 */
#ifndef QIMPORT_SOURCE_REFUSAL_H
#define QIMPORT_SOURCE_REFUSAL_H

#include <stddef.h>

enum { REFUSAL_WORDS = 200 };

enum refusal_kind {
  REFUSAL_OTHER,
  REFUSAL_SKEWED,   /* this machine's clock is not theirs */
  REFUSAL_REGION,   /* the bucket is elsewhere */
  REFUSAL_EXPIRED,  /* the signed link or the token is over */
  REFUSAL_KEY,      /* they do not know the key, or its signature is wrong */
  REFUSAL_ARCHIVED, /* it must be brought back first */
  REFUSAL_GONE      /* there is no such thing */
};

struct refusal {
  enum refusal_kind kind;
  char words[REFUSAL_WORDS]; /* "Code: message", escaped and cut; "" where it says nothing */
};

/* BODY, of LEN bytes, may be cut, or anything at all. */
void refusal_read (struct refusal *r, const char *body, size_t len);

/* What to do about it; NULL: nothing that every refusal of its status does not say. */
const char *refusal_advice (enum refusal_kind kind);

#endif
