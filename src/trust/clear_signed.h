/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clear_signed: where in a text file OpenPGP's clear-signed block is, and what was signed. Does
 * not know whether the signature is good.
 */
#ifndef QIMPORT_TRUST_CLEAR_SIGNED_H
#define QIMPORT_TRUST_CLEAR_SIGNED_H

#include "base/error.h"
#include "trust/span.h"

struct clear_signed {
  struct span block; /* from the line BEGIN PGP SIGNED MESSAGE to END PGP SIGNATURE */
  struct span text;  /* what is signed in it, dash-escaped */
};

/* 1: FILE has one; 0: it has none; -1: it has several, or one that does not end. */
int clear_signed_find (struct span file, struct clear_signed *out, struct error *err);

/* The text without its dash-escapes, at most TEXT.len bytes.  Returns how many. */
size_t clear_signed_plain (struct span text, char *out);

#endif
