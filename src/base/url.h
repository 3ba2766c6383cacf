/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * url: what of a URL is a secret, and how one that was given again is known to be the same
 * though its secrets were never stored (J8).
 */
#ifndef QIMPORT_BASE_URL_H
#define QIMPORT_BASE_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Has URL a part that must not be stored: userinfo or a query?  What has no authority, such as
 * a path, and a file URL have none. */
bool url_has_secret (const char *url);

/* Does a plain path look like a URL without its scheme, or with one that was mistyped?  Then
 * what would stand behind "://", within URL; or NULL. */
const char *url_lost_scheme (const char *url);

enum { URL_MARK_SIZE = 2 * 8 + 1 + 2 * 8 + 1 };

/* Of the parts of URL that are not stored but may say which image is meant: the user's name,
 * and the query but for what is known to be a credential or its term, which a renewed link has
 * anew.  Salted, slow to compute and short, as a stored password: it tells whether two URLs
 * mean the same and is of little use for a guess at either.  "-" where there is no such part;
 * "" where it could not be made, which fits nothing. */
char *url_mark (char out[URL_MARK_SIZE], const char *url);
/* Is MARK, which url_mark made, of a URL that means the same as URL? */
bool url_mark_fits (const char *mark, const char *url);

#endif
