/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_connect: a connection to an NBD server: what its URI may say, reaching it, and what it
 * says of the export.  Waits for a server that is away, not for one that refuses.
 */
#include "target/nbd_export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

enum { GREETING_MS = 10000, GREETING_MORE_MS = 500, PIECE_MAX = 1 << 20 };

static const char *const schemes[] = { "nbd://", "nbds://", "nbd+unix://", "nbds+unix://" };
static const char *const parameters[]
    = { "socket", "tls-certificates", "tls-psk-file", "tls-hostname" };

bool
target_is_nbd (const char *path)
{
  size_t i;

  for (i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
    if (strncasecmp (path, schemes[i], strlen (schemes[i])) == 0)
      return true;
  return false;
}

/* ---- What a URI may say ------------------------------------------------------------------ */

static bool
has_parameter (const char *uri, const char *name)
{
  const char *p = strchr (uri, '?');
  size_t len = strlen (name);

  for (; p != NULL; p = strpbrk (p, "&;#"))
    if (strncmp (++p, name, len) == 0 && p[len] == '=')
      return true;
  return false;
}

static int
check_parameters (const char *uri, const char *shown, struct error *err)
{
  const char *p = strchr (uri, '?');
  size_t i, len, n = sizeof parameters / sizeof parameters[0];

  for (; p != NULL && p[1] != '\0'; p = strpbrk (p, "&;")) {
    len = strcspn (++p, "=&;");
    for (i = 0; i < n; i++)
      if (strlen (parameters[i]) == len && strncmp (p, parameters[i], len) == 0)
        break;
    if (i == n)
      return fail (
          err, ERR_USAGE,
          "%s: of an NBD URI the parameters socket, tls-certificates, tls-psk-file and "
          "tls-hostname are known, and no others",
          shown);
  }
  return 0;
}

/* The journal keeps the URI: nothing secret may be in it (J8). */
static int
check_uri (const struct nbd_spec *spec, struct error *err)
{
  const char *at = strstr (spec->uri, "://") + 3;
  size_t authority = strcspn (at, "/?#");
  const char *end = memchr (at, '@', authority);

  if (end != NULL && memchr (at, ':', (size_t)(end - at)) != NULL)
    return fail (err, ERR_USAGE,
                 "an NBD URI with a password in it would be kept in the journal; give the name "
                 "only, and tls-psk-file=FILE");
  if (check_parameters (spec->uri, spec->shown, err) == -1)
    return -1;
  if (strncasecmp (spec->uri, "nbds", 4) == 0 && !spec->insecure
      && !has_parameter (spec->uri, "tls-certificates")
      && !has_parameter (spec->uri, "tls-psk-file"))
    return fail (err, ERR_USAGE,
                 "%s: there is nothing to check the server by; add tls-certificates=DIR or "
                 "tls-psk-file=FILE, or give --insecure",
                 spec->shown);
  return 0;
}

/* ---- One try ----------------------------------------------------------------------------- */

void
nbd_note_why (struct nbd_export *x)
{
  const char *why = nbd_get_error ();

  if (why != NULL)
    escape_text (x->why, sizeof x->why, why, strlen (why));
}

static bool
is_lost (struct nbd_handle *h)
{
  return nbd_aio_is_dead (h) != 0 || nbd_aio_is_closed (h) != 0;
}

bool
nbd_is_lost (const struct nbd_export *x)
{
  unsigned i;

  for (i = 0; i < x->link.n_h; i++)
    if (is_lost (x->link.h[i]))
      return true;
  return x->link.n_h == 0;
}

int
nbd_error_now (struct nbd_export *x)
{
  int errnum = nbd_get_errno ();

  nbd_note_why (x);
  if (nbd_is_lost (x) || errnum == ESHUTDOWN || errnum == ENOTCONN)
    return ENOTCONN;
  return errnum != 0 ? errnum : EIO;
}

bool
nbd_stopped (const struct nbd_export *x)
{
  return x->stop != NULL && atomic_load (x->stop);
}

static void
close_handle (struct nbd_handle *h)
{
  if (h != NULL && nbd_aio_is_ready (h) == 1)
    nbd_aio_disconnect (h, 0);
  nbd_close (h);
}

void
nbd_disconnect (struct nbd_export *x)
{
  while (x->link.n_h > 0)
    close_handle (x->link.h[--x->link.n_h]);
  x->link.grown = false;
  x->link.generation++;
}

/* NULL: ESTALE. */
static struct nbd_handle *
set_up (struct nbd_export *x)
{
  struct nbd_handle *h = nbd_create ();

  if (h != NULL
      && nbd_set_uri_allow_transports (h,
                                       LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX)
             != -1
      && nbd_set_uri_allow_local_file (h, true) != -1
      && nbd_set_tls_verify_peer (h, !x->insecure) != -1 && nbd_set_opt_mode (h, true) != -1)
    return h;
  nbd_note_why (x);
  nbd_close (h);
  return NULL;
}

/* Greeted, and not yet told which export is wanted: what fails until then is the way there. */
static int
reach (struct nbd_export *x, struct nbd_handle *h, int64_t greeting_ms)
{
  int64_t until = monotonic_ms () + greeting_ms;
  int r = nbd_aio_connect_uri (h, x->uri);

  while (r != -1 && !is_lost (h) && nbd_aio_is_negotiating (h) == 0
         && nbd_aio_is_ready (h) == 0) {
    r = nbd_poll (h, (int)min_u64 (POLL_MS, (uint64_t)greeting_ms));
    if (r == -1 && nbd_get_errno () == EINTR)
      r = 0;
    if (nbd_stopped (x))
      return ECANCELED;
    if (r != -1 && monotonic_ms () >= until) {
      snprintf (x->why, sizeof x->why, "it does not answer, or serves somebody else");
      return ENOTCONN;
    }
  }
  if (r != -1 && !is_lost (h))
    return 0;
  nbd_note_why (x);
  return x->tls && (strcasestr (x->why, "tls") != NULL || strstr (x->why, "ertificate") != NULL)
             ? ESTALE
             : ENOTCONN;
}

/* What the export is; 0 or ESTALE. */
static int
ask_facts (struct nbd_export *x, struct nbd_handle *h)
{
  int64_t size = nbd_get_size (h), min = nbd_get_block_size (h, LIBNBD_SIZE_MINIMUM),
          max = nbd_get_block_size (h, LIBNBD_SIZE_MAXIMUM);

  if (size == -1 || min == -1 || max == -1) {
    nbd_note_why (x);
    return ESTALE;
  }
  x->facts = (struct nbd_facts){ .size = (uint64_t)size,
                                 .block_min = min > 1 ? (uint32_t)min : 1,
                                 .read_only = nbd_is_read_only (h) != 0,
                                 .flushes = nbd_can_flush (h) == 1 };
  x->zeroes = nbd_can_zero (h) == 1;
  x->link.shares = nbd_can_multi_conn (h) == 1;
  x->piece
      = max > 0 && max < PIECE_MAX ? (uint32_t)align_down ((uint64_t)max, SECTOR) : PIECE_MAX;
  return 0;
}

/* Up to where requests may be sent. */
static int
open_handle (struct nbd_export *x, struct nbd_handle **out, int64_t greeting_ms)
{
  struct nbd_handle *h = set_up (x);
  int r = h == NULL ? ESTALE : reach (x, h, greeting_ms);

  if (r == 0 && nbd_aio_is_negotiating (h) == 1 && nbd_opt_go (h) == -1) {
    nbd_note_why (x);
    r = is_lost (h) ? ENOTCONN : ESTALE;
  }
  if (r == 0)
    *out = h;
  else
    close_handle (h);
  return r;
}

int
nbd_connect_once (struct nbd_export *x)
{
  int r = open_handle (x, &x->link.h[0], GREETING_MS);

  if (r != 0)
    return r;
  x->link.n_h = 1;
  r = ask_facts (x, x->link.h[0]);
  if (r != 0)
    nbd_disconnect (x);
  else
    x->link.heard = monotonic_ms ();
  return r;
}

/* A server may serve fewer than it says, and lets the next one wait. */
void
nbd_connect_more (struct nbd_export *x)
{
  while (x->link.n_h < CONNECTIONS
         && open_handle (x, &x->link.h[x->link.n_h], GREETING_MORE_MS) == 0) {
    x->link.n_h++;
    if (nbd_get_size (x->link.h[x->link.n_h - 1]) == (int64_t)x->facts.size)
      continue;
    close_handle (x->link.h[--x->link.n_h]);
    break;
  }
}

int
nbd_connect_until (struct nbd_export *x, int64_t since, int64_t budget_ms)
{
  static const struct timespec pause = { 0, POLL_MS * 1000 * 1000 };
  int r;

  for (;;) {
    r = nbd_connect_once (x);
    if (r != ENOTCONN || monotonic_ms () - since >= budget_ms)
      return r;
    if (nbd_stopped (x))
      return ECANCELED;
    nanosleep (&pause, NULL);
  }
}

/* ---- Opening ----------------------------------------------------------------------------- */

static int
fail_connect (const struct nbd_export *x, const struct nbd_spec *spec, int errnum,
              struct error *err)
{
  if (errnum == ECANCELED)
    return fail (err, ERR_INTERRUPTED, "%s: interrupted while it was waited for", spec->shown);
  if (errnum == ENOTCONN)
    return fail (err, ERR_TARGET_UNREACHABLE,
                 "%s cannot be reached (%s); start the server (qemu-nbd with --persistent), or "
                 "mend the way to it",
                 spec->shown, x->why);
  return fail (err, ERR_TARGET_REFUSED,
               "%s: the server refuses (%s); name an export that it has, or mend its "
               "certificates",
               spec->shown, x->why);
}

static int
prepare (struct nbd_export *x, const struct nbd_spec *spec, struct error *err)
{
  pthread_condattr_t attr;

  pthread_mutex_init (&x->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&x->changed, &attr);
  pthread_condattr_destroy (&attr);
  x->wake_fd = -1;
  x->uri = strdup (spec->uri);
  x->log.bank[0].bytes = malloc (BANK_BYTES);
  x->log.bank[1].bytes = malloc (BANK_BYTES);
  if (x->uri == NULL || x->log.bank[0].bytes == NULL || x->log.bank[1].bytes == NULL)
    return fail_memory (err, "the connection to the NBD server");
  x->tls = strncasecmp (spec->uri, "nbds", 4) == 0;
  x->insecure = spec->insecure;
  x->retry_time_ms = spec->retry_time_ms;
  x->stop = spec->stop;
  return 0;
}

int
export_open (struct nbd_export **out, const struct nbd_spec *spec, struct error *err)
{
  struct nbd_export *x;
  int r = 0;

  if (check_uri (spec, err) == -1)
    return -1;
  x = calloc (1, sizeof *x);
  if (x == NULL)
    return fail_memory (err, "the connection to the NBD server");
  if (prepare (x, spec, err) == -1) {
    export_close (x);
    return -1;
  }
  r = nbd_connect_until (x, monotonic_ms (), spec->connect_time_ms);
  if (r == 0 && nbd_pump_start (x) == -1) {
    fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
    export_close (x);
    return -1;
  }
  if (r == 0 && x->facts.size >= SECTOR)
    r = export_read (x, 0, x->first, SECTOR);
  if (r != 0) {
    fail_connect (x, spec, r, err);
    export_close (x);
    return -1;
  }
  *out = x;
  return 0;
}

void
export_close (struct nbd_export *x)
{
  if (x == NULL)
    return;
  nbd_pump_stop (x);
  nbd_disconnect (x);
  pthread_cond_destroy (&x->changed);
  pthread_mutex_destroy (&x->lock);
  free (x->uri);
  free (x->log.bank[0].bytes);
  free (x->log.bank[1].bytes);
  free (x);
}

const struct nbd_facts *
export_facts (const struct nbd_export *x)
{
  return &x->facts;
}

const char *
export_why (struct nbd_export *x, char why[EXPORT_WHY])
{
  pthread_mutex_lock (&x->lock);
  memcpy (why, x->why, EXPORT_WHY);
  pthread_mutex_unlock (&x->lock);
  return why;
}
