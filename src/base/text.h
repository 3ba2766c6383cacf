/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * text: strings from outside, made fit for a terminal, a JSON document or the journal; and
 * numbers with suffixes.
 */
#ifndef QIMPORT_BASE_TEXT_H
#define QIMPORT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Copy LEN bytes of IN to OUT as printable, valid UTF-8: control bytes (C0, DEL, C1),
 * bidirectional overrides, invalid sequences and the backslash become \xNN (a byte each).  Cut
 * with "..." so that it fits OUT_SIZE (>= 8) with its NUL.  Returns OUT. */
char *escape_text (char *out, size_t out_size, const void *in, size_t len);

/* The other way: \xNN in TEXT becomes the byte, in place.  Returns TEXT. */
char *unescape_text (char *text);

/* Is all of TEXT printable, valid UTF-8, so that the journal keeps it as it is? */
bool text_is_printable (const char *text);

/* URL without userinfo, query and fragment, escaped: what may be shown and stored (J8).
 * Returns OUT. */
char *redact_url (char *out, size_t out_size, const char *url);

/* "64M", "1.5G", "4096": suffixes K M G T (binary), B and iB behind them allowed, but not b,
 * which means bits.  Refuses what is negative, not a number, or does not fit.  -1 with
 * ERR_USAGE naming WHAT. */
int parse_size (const char *text, uint64_t *bytes, const char *what, struct error *err);

/* "90", "1.5h": seconds, or with a suffix s m h d, as milliseconds.  -1 with ERR_USAGE naming
 * WHAT. */
int parse_duration (const char *text, uint64_t *ms, const char *what, struct error *err);

/* "1.5 GiB" */
char *format_size (char out[24], uint64_t bytes);

/* RFC 3339, UTC, milliseconds, of ms since 1970. */
char *format_time (char out[32], int64_t unix_ms);

#endif
