/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * unwrap-fixture: files that xz, gzip, zstd and bzip2 make of a piece of data, and what comes
 * out of them in pieces of any size.  A test includes it once, before anything of its own.
 */
#ifndef QIMPORT_TEST_UNWRAP_FIXTURE_H
#define QIMPORT_TEST_UNWRAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unwrap/unwrap.h"

#include <cmocka.h> /* last: its macro fail () hides ours */

struct bytes {
  uint8_t *p;
  size_t n;
};

static const struct unwrap_limits usual = { 64 << 20, 64 << 20, 1 };

/* Bytes that compress somewhat. */
static inline struct bytes
some_bytes (size_t n)
{
  struct bytes b = { malloc (n + 1), n };
  uint32_t seed = 1;
  size_t i;

  assert_non_null (b.p);
  for (i = 0; i < n; i++) {
    seed = seed * 1103515245 + 12345;
    b.p[i] = (uint8_t)((seed >> 28) + (i / 1000 % 2 ? 'a' : 0));
  }
  return b;
}

/* What the shell's COMMAND says. */
static inline struct bytes
output_of (const char *command)
{
  struct bytes b = { NULL, 0 };
  size_t room = 0, got;
  FILE *f = popen (command, "r");

  assert_non_null (f);
  do {
    if (b.n == room) {
      room = room * 2 + 65536;
      b.p = realloc (b.p, room);
      assert_non_null (b.p);
    }
    got = fread (b.p + b.n, 1, room - b.n, f);
    b.n += got;
  } while (got > 0);
  if (pclose (f) != 0)
    fail_msg ("%s: failed", command);
  return b;
}

/* What the COMMAND, a filter, makes of IN. */
static inline struct bytes
made_by (const char *command, struct bytes in)
{
  char path[] = "/tmp/qimport-unwrap-XXXXXX", line[512];
  int fd = mkstemp (path);
  struct bytes out;

  assert_true (fd != -1);
  assert_int_equal (write (fd, in.p, in.n), (ssize_t)in.n);
  close (fd);
  snprintf (line, sizeof line, "exec <%s; %s", path, command);
  out = output_of (line);
  unlink (path);
  return out;
}

/* B behind A; A is freed, B is not. */
static inline struct bytes
joined (struct bytes a, struct bytes b)
{
  a.p = realloc (a.p, a.n + b.n + 1);
  assert_non_null (a.p);
  if (b.n > 0)
    memcpy (a.p + a.n, b.p, b.n);
  a.n += b.n;
  return a;
}

struct result {
  enum error_code code; /* NONE: whole */
  char text[1024];
  uint64_t given;
  bool same; /* as far as it came, it is what was expected */
};

static inline size_t
at_most (size_t n, size_t most)
{
  return n < most ? n : most;
}

static inline void
compare (struct result *r, const uint8_t *got, size_t n, struct bytes want)
{
  if (r->given + n > want.n || memcmp (got, want.p + r->given, n) != 0)
    r->same = false;
  r->given += n;
}

/* FILE, given IN_STEP bytes at a time into room of OUT_STEP; each piece of it in memory of its
 * own size, so that a sanitizer sees what goes too far. */
static inline struct result
unwrapped (enum wrapper kind, struct bytes file, struct bytes want,
           const struct unwrap_limits *limits, size_t in_step, size_t out_step)
{
  struct result r = { ERR_NONE, "", 0, true };
  uint8_t *in = NULL, *out = malloc (out_step);
  struct unwrap_io io = { NULL, 0, NULL, 0 };
  struct error err = { 0 };
  struct unwrap *u = NULL;
  size_t at = 0;
  int rc;

  assert_non_null (out);
  assert_int_equal (unwrap_new (&u, kind, limits, &err), 0);
  do {
    if (io.in_len == 0 && at < file.n) {
      size_t n = at_most (file.n - at, in_step);

      free (in);
      io.in = in = malloc (n);
      assert_non_null (in);
      memcpy (in, file.p + at, n);
      io.in_len = n;
      at += n;
    }
    io.out = out;
    io.out_len = out_step;
    rc = unwrap_push (u, &io, at == file.n, &err);
    compare (&r, out, out_step - io.out_len, want);
    assert_int_equal (unwrap_given (u), r.given);
    assert_true (unwrap_taken (u) <= at);
  } while (rc == 1);
  if (rc == -1) {
    r.code = err.code;
    snprintf (r.text, sizeof r.text, "%s", err.text);
    assert_null (strchr (r.text, '\n'));
    assert_true (r.text[0] != '\0' && strlen (r.text) < 900);
  } else {
    assert_int_equal (io.in_len, 0);
    r.same = r.same && r.given == want.n;
  }
  unwrap_close (u);
  free (in);
  free (out);
  return r;
}

static inline void
assert_unwraps (enum wrapper kind, struct bytes file, struct bytes want, size_t in_step,
                size_t out_step)
{
  struct result r = unwrapped (kind, file, want, &usual, in_step, out_step);

  if (r.code != ERR_NONE || !r.same)
    fail_msg ("%s in pieces of %zu, %zu: %s", wrapper_name (kind), in_step, out_step,
              r.code == ERR_NONE ? "other bytes" : r.text);
}

/* It is refused with CODE and the WORDS, and what came before that was right. */
static inline void
assert_refused (enum wrapper kind, struct bytes file, struct bytes want, enum error_code code,
                const char *words)
{
  static const size_t steps[][2] = { { 1 << 20, 1 << 20 }, { 1, 7 } };
  size_t i;

  for (i = 0; i < 2; i++) {
    struct result r = unwrapped (kind, file, want, &usual, steps[i][0], steps[i][1]);

    if (r.code != code || strstr (r.text, words) == NULL)
      fail_msg ("want %s, \"%s\"; got %s, \"%s\"", error_word (code), words,
                error_word (r.code), r.text);
    assert_true (r.same);
  }
}

/* The four, as their programs make them, with one stream. */
struct wrapping {
  enum wrapper kind;
  const char *command;
};

static const struct wrapping wrappings[] = {
#ifdef HAVE_LZMA
  { WRAPPER_XZ, "xz -c" },
#endif
#ifdef HAVE_ZLIB
  { WRAPPER_GZIP, "gzip -c" },
#endif
#ifdef HAVE_BZIP2
  { WRAPPER_BZIP2, "bzip2 -c" },
#endif
  { WRAPPER_ZSTD, "zstd -q -c" },
};

enum { WRAPPINGS = sizeof wrappings / sizeof wrappings[0] };

#endif
