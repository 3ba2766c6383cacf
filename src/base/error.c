/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * error: see error.h.  The one list of codes is there.
 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *word;
  int status;
} codes[] = {
#define X(code, word, status) [ERR_##code] = { word, status },
  ERROR_CODES (X)
#undef X
};

static int vfail (struct error *err, enum error_code code, const char *fmt, va_list ap)
    __attribute__ ((format (printf, 3, 0)));

static int
vfail (struct error *err, enum error_code code, const char *fmt, va_list ap)
{
  err->code = code;
  vsnprintf (err->text, sizeof err->text, fmt, ap);
  return -1;
}

int
fail (struct error *err, enum error_code code, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vfail (err, code, fmt, ap);
  va_end (ap);
  return -1;
}

/* GNU's strerror_r returns the words, that of POSIX a number and has put them there. */
static inline const char *
words_returned (const char *returned, const char *put)
{
  (void)put;
  return returned;
}

static inline const char *
words_put (int rc, const char *put)
{
  return rc == 0 ? put : "an error that has no name";
}

const char *
errno_words (int errnum, char *buf, size_t size)
{
  return _Generic (strerror_r (errnum, buf, size), char *: words_returned, int: words_put) (
      strerror_r (errnum, buf, size), buf);
}

int
fail_errno (struct error *err, enum error_code code, int errnum, const char *fmt, ...)
{
  va_list ap;
  char words[128];
  size_t n;

  va_start (ap, fmt);
  vfail (err, code, fmt, ap);
  va_end (ap);
  n = strlen (err->text);
  snprintf (err->text + n, sizeof err->text - n, ": %s",
            errno_words (errnum, words, sizeof words));
  return -1;
}

int
fail_in (struct error *err, const char *where)
{
  size_t n = strnlen (where, sizeof err->text / 2);
  size_t len = strnlen (err->text, sizeof err->text - n - 3);

  if (strncmp (err->text, where, n) == 0)
    return -1;
  memmove (err->text + n + 2, err->text, len);
  err->text[n + 2 + len] = '\0';
  memcpy (err->text, where, n);
  memcpy (err->text + n, ": ", 2);
  return -1;
}

int
fail_memory (struct error *err, const char *what)
{
  return fail (err, ERR_NO_MEMORY, "out of memory for %s", what);
}

const char *
error_word (enum error_code code)
{
  return codes[code].word;
}

int
error_status (enum error_code code)
{
  return codes[code].status;
}

bool
error_blames_image (enum error_code code)
{
  return error_status (code) == error_status (ERR_IMAGE_MALFORMED);
}
