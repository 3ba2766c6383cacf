/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_none: what stands in for nbd_export.c and nbd_connect.c in a build without libnbd: an NBD
 * URI is known as one, and refused.
 */
#include "target/nbd.h"

#include <assert.h>
#include <string.h>

bool
target_is_nbd (const char *path)
{
  return strncasecmp (path, "nbd", 3) == 0 && strstr (path, "://") != NULL;
}

int
export_open (struct nbd_export **out, const struct nbd_spec *spec, struct error *err)
{
  (void)out;
  return fail (err, ERR_TARGET_REFUSED,
               "%s: this qimport was built without NBD; install one that has it (qimport "
               "--version says so), or name a file or a block device",
               spec->shown);
}

void
export_close (struct nbd_export *x)
{
  assert (x == NULL);
}

const struct nbd_facts *
export_facts (const struct nbd_export *x)
{
  assert (x != NULL);
  return NULL;
}

const char *
export_why (struct nbd_export *x, char why[EXPORT_WHY])
{
  (void)x;
  why[0] = '\0';
  return why;
}

int
export_write (struct nbd_export *x, uint64_t at, const void *buf, size_t len)
{
  (void)x, (void)at, (void)buf, (void)len;
  return -1;
}

int
export_zero (struct nbd_export *x, uint64_t at, uint64_t len)
{
  (void)x, (void)at, (void)len;
  return -1;
}

int
export_flush (struct nbd_export *x)
{
  (void)x;
  return -1;
}

int
export_read (struct nbd_export *x, uint64_t at, void *buf, size_t len)
{
  (void)x, (void)at, (void)buf, (void)len;
  return -1;
}
