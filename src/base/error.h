/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * error: a failure is a value - a code, and one line of words that says what failed, where,
 * why, and what to do next.  Fixed buffer, no allocation.  The library never prints and
 * never exits; it fills one of these and returns -1.  Asserts are for our bugs, never for
 * input.
 */
#ifndef QIMPORT_BASE_ERROR_H
#define QIMPORT_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* code, word (in JSON and in the journal), exit status of the contract */
#define ERROR_CODES(X)                                   \
  X (NONE, "none", 0)                                    \
  X (INTERNAL, "internal", 1)                            \
  X (NO_MEMORY, "out-of-memory", 1)                      \
  X (USAGE, "usage", 2)                                  \
  X (INTERRUPTED, "interrupted", 3)                      \
  X (RETRY_BUDGET, "retry-budget-spent", 3)              \
  X (MAX_TIME, "max-time-reached", 3)                    \
  X (SOURCE_ENDED, "source-ended", 3)                    \
  X (SOURCE_UNREACHABLE, "source-unreachable", 3)        \
  X (TARGET_FULL, "target-full", 3)                      \
  X (TARGET_UNREACHABLE, "target-unreachable", 3)        \
  X (JOURNAL_FULL, "journal-full", 3)                    \
  X (SOURCE_NOT_FOUND, "source-not-found", 4)            \
  X (SOURCE_DENIED, "source-denied", 4)                  \
  X (SOURCE_TLS, "source-not-trusted", 4)                \
  X (SOURCE_CONTRADICTS, "source-contradicts-itself", 4) \
  X (SOURCE_CHANGED, "source-changed", 4)                \
  X (SOURCE_CHECKSUM, "checksum-differs", 4)             \
  X (SOURCE_SIGNATURE, "not-signed", 4)                  \
  X (SOURCE_FAILED, "source-failed", 4)                  \
  X (IMAGE_MALFORMED, "image-malformed", 5)              \
  X (IMAGE_TRUNCATED, "image-truncated", 5)              \
  X (IMAGE_TOO_LARGE, "image-too-large", 5)              \
  X (IMAGE_UNSUPPORTED, "image-unsupported", 5)          \
  X (TARGET_EXISTS, "target-exists", 6)                  \
  X (TARGET_TOO_SMALL, "target-too-small", 6)            \
  X (TARGET_BUSY, "target-busy", 6)                      \
  X (TARGET_CHANGED, "target-changed", 6)                \
  X (TARGET_REFUSED, "target-refused", 6)                \
  X (TARGET_FAILED, "target-failed", 6)                  \
  X (JOURNAL_REFUSED, "journal-refused", 7)              \
  X (JOURNAL_NEWER, "journal-newer", 7)                  \
  X (JOURNAL_CORRUPT, "journal-corrupt", 7)              \
  X (JOURNAL_FAILED, "journal-failed", 7)                \
  X (NO_JOURNAL, "no-journal", 7)                        \
  X (NO_SUCH_IMPORT, "no-such-import", 7)                \
  X (IMPORT_HELD, "import-held", 7)                      \
  X (DIFFERS, "target-differs", 8)

enum error_code {
#define X(code, word, status) ERR_##code,
  ERROR_CODES (X)
#undef X
};

struct error {
  enum error_code code;
  char text[1024]; /* one line, no newline, no "qimport: ", valid printable UTF-8 */
};

/* Fill ERR and return -1, so that a failing function ends with "return fail (...)".  What
 * comes from a server or an image goes through escape_text (text.h) before it gets here. */
int fail (struct error *err, enum error_code code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4), cold));

/* What ERRNUM means; BUF may be used for it, 128 bytes are enough. */
const char *errno_words (int errnum, char *buf, size_t size);

/* The same as fail, with ": " and the words for ERRNUM behind it. */
int fail_errno (struct error *err, enum error_code code, int errnum, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5), cold));

/* WHERE and ": " before the words of ERR, for what a room below could not name; not twice.
 * Returns -1. */
int fail_in (struct error *err, const char *where) __attribute__ ((cold));

/* ERR_NO_MEMORY for WHAT. */
int fail_memory (struct error *err, const char *what) __attribute__ ((cold));

const char *error_word (enum error_code code);
int error_status (enum error_code code);
/* Is it the image that is refused? */
bool error_blames_image (enum error_code code);

#endif
