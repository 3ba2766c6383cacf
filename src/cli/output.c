/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * output: see output.h.  The errno of the first failed write is kept per process, because
 * standard output is one per process.
 */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int stdout_errno;

/* C0, DEL and, in UTF-8, C1. */
static size_t
control_length (const unsigned char *p)
{
  if (*p < 0x20 || *p == 0x7f)
    return 1;
  return *p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f ? 2 : 0;
}

char *
clean_text (char *out, size_t size, const char *in)
{
  const unsigned char *p = (const unsigned char *)in;
  size_t o = 0;

  while (*p != '\0') {
    size_t control = control_length (p), i;

    if (o + 4 * control + 2 > size)
      break;
    for (i = 0; i < control; i++)
      o += (size_t)snprintf (out + o, 5, "\\x%02x", p[i]);
    if (control == 0)
      out[o++] = (char)*p;
    p += control == 0 ? 1 : control;
  }
  out[o] = '\0';
  return out;
}

static void vmessage (const char *fmt, va_list ap) __attribute__ ((format (printf, 1, 0)));

static void
vmessage (const char *fmt, va_list ap)
{
  char raw[4096], line[4096 + 16] = "qimport: ";
  size_t n, done = 0;

  vsnprintf (raw, sizeof raw, fmt, ap);
  clean_text (line + 9, sizeof line - 10, raw);
  n = strlen (line);
  line[n++] = '\n';
  while (done < n) {
    ssize_t w = write (STDERR_FILENO, line + done, n - done);

    if (w == -1 && errno == EINTR)
      continue;
    if (w <= 0)
      return; /* there is nobody left to tell */
    done += (size_t)w;
  }
}

void
message (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vmessage (fmt, ap);
  va_end (ap);
}

int
exit_status (const struct qimport_error *err)
{
  return err->status == QIMPORT_DONE ? QIMPORT_INTERNAL : (int)err->status;
}

int
complain (const struct qimport_error *err)
{
  message ("%s", err->message);
  return exit_status (err);
}

char *
without_advice (char *out, size_t size, const char *why)
{
  static const char advice[] = "; `qimport resume` goes on";
  const char *at = strstr (why, advice);

  if (at == NULL)
    snprintf (out, size, "%s", why);
  else
    snprintf (out, size, "%.*s%s", (int)(at - why), why, at + strlen (advice));
  return out;
}

int
complain_again (const struct qimport_error *err)
{
  char why[sizeof err->message];

  if (err->status != QIMPORT_INTERRUPTED || strcmp (err->code, "source-unreachable") == 0)
    return complain (err); /* what was typed may be wrong */
  message ("%s; run it again", without_advice (why, sizeof why, err->message));
  return exit_status (err);
}

int
usage_error (const char *command, const char *fmt, ...)
{
  char text[1024];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  if (command == NULL)
    message ("%s; see: qimport help", text);
  else
    message ("%s: %s; see: qimport help %s", command, text, command);
  return QIMPORT_USAGE;
}

int
out_of_memory (void)
{
  message ("out of memory");
  return QIMPORT_INTERNAL;
}

static void
remember (bool failed)
{
  int none = 0;

  if (failed)
    atomic_compare_exchange_strong (&stdout_errno, &none, errno == 0 ? EIO : errno);
}

void
out (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  remember (vprintf (fmt, ap) < 0);
  va_end (ap);
}

void
out_text (const char *text)
{
  remember (fputs (text, stdout) == EOF);
}

bool
out_flush (void)
{
  remember (fflush (stdout) == EOF);
  return atomic_load (&stdout_errno) == 0;
}

int
out_finish (int status)
{
  int errnum;

  if (out_flush ())
    return status;
  errnum = atomic_load (&stdout_errno);
  if (errnum == EPIPE)
    return status;
  message ("standard output: %s", strerror (errnum));
  return status == 0 ? QIMPORT_INTERNAL : status;
}
