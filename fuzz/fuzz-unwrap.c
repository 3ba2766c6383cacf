/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hostile wrapped file.  The first two bytes say in which pieces it is given and in which its
 * content is taken; what comes out must be what comes out of it in one piece, and so must the
 * verdict.  The libraries that decode are not instrumented: bytes behind the room tell of one
 * that writes too far, and what is given is in memory of its own size.
 */
#include <stdlib.h>
#include <string.h>

#include "unwrap/unwrap.h"

#define must(x)          \
  do {                   \
    if (!(x))            \
      __builtin_trap (); \
  } while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

enum { ROOM = 256 << 10, GUARD = 64, WINDOW = 1 << 20 };

struct verdict {
  enum error_code code;
  bool full; /* more than ROOM: it was left there */
  size_t given;
};

static void
check_error (const struct error *err)
{
  must (err->text[0] != '\0' && strchr (err->text, '\n') == NULL);
  must (error_status (err->code) == 5);
}

/* One call, with the next bytes of DATA in memory of their own. */
static int
push (struct unwrap *u, const uint8_t *data, size_t n, bool last, uint8_t *out, size_t room,
      size_t *taken, size_t *given, struct error *err)
{
  uint8_t *in = malloc (n > 0 ? n : 1);
  struct unwrap_io io = { in, n, out, room };
  uint8_t kept[GUARD];
  int rc;

  must (in != NULL);
  memcpy (in, data, n);
  memcpy (kept, out + room, GUARD);
  rc = unwrap_push (u, &io, last, err);
  must (io.in + io.in_len == in + n && io.out + io.out_len == out + room);
  must (memcmp (out + room, kept, GUARD) == 0);
  must (rc != 1 || io.in_len == 0 || io.out_len == 0);
  must (rc != 0 || (last && io.in_len == 0));
  *taken = n - io.in_len;
  *given = room - io.out_len;
  free (in);
  return rc;
}

static struct verdict
unwrap_all (enum wrapper kind, const uint8_t *data, size_t n, size_t in_step, size_t out_step,
            uint8_t *out)
{
  static const struct unwrap_limits limits = { WINDOW, WINDOW, 1 };
  struct verdict v = { ERR_NONE, false, 0 };
  struct unwrap *u = NULL;
  struct error err;
  size_t at = 0;
  int rc = 1;

  must (unwrap_new (&u, kind, &limits, &err) == 0);
  while (rc == 1 && v.given + out_step <= ROOM) {
    size_t in = n - at < in_step ? n - at : in_step, taken, given;

    rc = push (u, data + at, in, at + in == n, out + v.given, out_step, &taken, &given, &err);
    at += taken;
    v.given += given;
    must (unwrap_taken (u) == at && unwrap_given (u) == v.given);
  }
  if (rc == -1) {
    check_error (&err);
    v.code = err.code;
  }
  v.full = rc == 1;
  unwrap_close (u);
  return v;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  static const enum wrapper kinds[] = { WRAPPER_XZ, WRAPPER_GZIP, WRAPPER_ZSTD, WRAPPER_BZIP2 };
  static uint8_t whole[ROOM + GUARD], pieces[ROOM + GUARD];
  struct verdict v, w;
  enum wrapper kind;
  struct error err;

  if (n < 2)
    return 0;
  kind = unwrap_recognise (data + 2, n - 2);
  if (kind != WRAPPER_NONE && !wrapper_is_unwrapped (kind)) {
    must (unwrap_refuse (kind, WRAPPER_NONE, &err) == -1);
    check_error (&err);
    kind = WRAPPER_NONE;
  }
  if (kind == WRAPPER_NONE)
    kind = kinds[(data[0] ^ data[1]) & 3];
  v = unwrap_all (kind, data + 2, n - 2, n, ROOM, whole);
  w = unwrap_all (kind, data + 2, n - 2, data[0] + 1u, 16u * data[1] + 1u, pieces);
  /* What liblzma makes of damaged data, until a check tells, depends on the pieces. */
  if (kind != WRAPPER_XZ || v.code == ERR_NONE)
    must (memcmp (whole, pieces, v.given < w.given ? v.given : w.given) == 0);
  if (!v.full && !w.full) {
    must (v.code == w.code);
    must (v.code != ERR_NONE || v.given == w.given);
  }
  return 0;
}
