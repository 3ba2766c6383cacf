/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * memo: what the journal remembers of an import's options beside their values: which URLs had
 * secrets that were not stored (J8), so that they can be named when they are needed again, and
 * what no longer holds.  Lines of the same text as the options, with names that are none of
 * theirs.
 */
#ifndef QIMPORT_IMPORT_MEMO_H
#define QIMPORT_IMPORT_MEMO_H

#include <stdio.h>

#include "import/options.h"

/* May a URL, or a proxy without a scheme, not be stored as it is? */
bool memo_has_secret (const char *url);

/* NAME=VALUE, escaped, so that any bytes come back. */
void memo_line (FILE *out, const char *name, const char *value);

void memo_save (FILE *out, const struct qimport_options *o);
/* What is of no name that is known is of a version that knew more, and only advice.  What was
 * given anew in O, or MIRRORS_ANEW, is not missing. */
int memo_recall (struct qimport_options *o, const char *name, const char *value,
                 bool mirrors_anew, struct error *err);

/* The mark of the URL of layer K from now on. */
int memo_mark_url (struct option_memo *memo, unsigned k, const char *url, struct error *err);

/* The tables of a kept image are those of DIGEST, from now on. */
int memo_tables (struct option_memo *memo, const char *digest, struct error *err);

void memo_release (struct option_memo *memo);

#endif
