/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd: bytes to and from an export of an NBD server, and when they are durable.  Nobody outside
 * src/target includes this; only nbd_export.c and nbd_connect.c know libnbd.
 *
 * What was written since the last FLUSH that returned 0 is kept in memory.  A connection that
 * is lost is opened again, and all of that is written again: a server may have lost any of it.
 *
 * Threads: all of it may be called from several at once.
 *
 * Errors: 0 or an errno, ENOSPC as an end of no more than this call: what it wrote is tried
 * again with the next one.  All others are final.  ENOTCONN: the server is away, and was waited
 * for; ESTALE: what answers now is another export, or refuses; ECANCELED: *stop was set.  For
 * these export_why has words.
 */
#ifndef QIMPORT_TARGET_NBD_H
#define QIMPORT_TARGET_NBD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct nbd_export;

struct nbd_facts {
  uint64_t size;
  uint32_t block_min; /* what a request begins and ends at; 1: any byte */
  bool read_only, flushes;
};

struct nbd_spec {
  const char *uri;
  const char *shown; /* that, for messages */
  int64_t connect_time_ms, retry_time_ms;
  const atomic_bool *stop; /* may be NULL */
  bool insecure;
};

/* A URI of the schemes nbd, nbds, nbd+unix and nbds+unix? */
bool target_is_nbd (const char *path);

/* ERR_USAGE: what such a URI must not say.  ERR_TARGET_UNREACHABLE, ERR_TARGET_REFUSED. */
int export_open (struct nbd_export **out, const struct nbd_spec *spec, struct error *err);
void export_close (struct nbd_export *x);

const struct nbd_facts *export_facts (const struct nbd_export *x);
enum { EXPORT_WHY = 256 };
/* Printable words for the last failure; WHY. */
const char *export_why (struct nbd_export *x, char why[EXPORT_WHY]);

int export_write (struct nbd_export *x, uint64_t at, const void *buf, size_t len);
int export_zero (struct nbd_export *x, uint64_t at, uint64_t len);
/* J1: 0 only after a FLUSH that the server answered with success, sent when all that was
 * written before had been answered. */
int export_flush (struct nbd_export *x);
/* What was written is seen. */
int export_read (struct nbd_export *x, uint64_t at, void *buf, size_t len);

#endif
