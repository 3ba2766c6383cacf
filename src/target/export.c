/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * export: an export of an NBD server as target: refused when it cannot be written, flushed or
 * addressed by the sector, is too small, or holds something.  Like a device it is written in
 * place, its first MiB last.  No lock can be had on it: whose it is, its marker says (J9).
 */
#include "target/open_target.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "target/nbd.h"

enum { LOOKED_AT = 1 << 20 };

static int
connect_to (struct nbd_export **out, const struct target_place *p,
            const struct target_spec *spec, struct error *err)
{
  struct nbd_spec nbd = { .uri = p->path,
                          .shown = p->shown,
                          .connect_time_ms = spec->connect_time_ms,
                          .retry_time_ms = spec->retry_time_ms,
                          .stop = spec->stop,
                          .insecure = spec->insecure };

  if (spec->preallocate)
    return fail (err, ERR_USAGE,
                 "%s: --preallocate is for files; the server decides what space it reserves",
                 p->shown);
  return export_open (out, &nbd, err);
}

static int
refuse_small (const struct target_place *p, const struct nbd_facts *f, uint64_t virtual_size,
              struct error *err)
{
  if (f->size >= virtual_size)
    return 0;
  return fail (err, ERR_TARGET_TOO_SMALL,
               "%s has %" PRIu64 " bytes, and must have %" PRIu64
               " for the disk; name an export that is at least as large",
               p->shown, f->size, virtual_size);
}

static int
refuse_facts (const struct target_place *p, const struct nbd_facts *f, struct error *err)
{
  if (f->read_only)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s is read-only; start the server so that it may be written", p->shown);
  if (!f->flushes)
    return fail (
        err, ERR_TARGET_REFUSED,
        "%s: the server has no FLUSH, so it can never be told what is durable; use one "
        "that has",
        p->shown);
  if (f->block_min > SECTOR)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: the server takes blocks of %" PRIu32
                 " bytes and no smaller ones; start it so that it takes 512",
                 p->shown, f->block_min);
  return 0;
}

static bool
is_zero (const uint8_t *p, size_t len)
{
  return p[0] == 0 && memcmp (p, p + 1, len - 1) == 0;
}

/* What somebody may miss: an import in progress, or anything in the first MiB. */
static int
refuse_held (const struct target_place *p, struct nbd_export *x, const struct target_spec *spec,
             struct error *err)
{
  size_t len = (size_t)min_u64 (export_facts (x)->size, LOOKED_AT);
  OWN_MEM uint8_t *first = malloc (LOOKED_AT);
  char why[EXPORT_WHY];
  struct marker m;
  int r;

  if (spec->force || len < SECTOR)
    return 0;
  if (first == NULL)
    return fail_memory (err, "looking at the target");
  r = export_read (x, 0, first, len);
  if (r != 0)
    return fail (err,
                 r == ECANCELED  ? ERR_INTERRUPTED
                 : r == ENOTCONN ? ERR_TARGET_UNREACHABLE
                                 : ERR_TARGET_REFUSED,
                 "%s: what it holds cannot be read (%s); mend its server, then try again",
                 p->shown, export_why (x, why));
  if (marker_parse (&m, first))
    return target_gives_way (spec, &m) ? 0 : target_refuse_marked (p->shown, &m, err);
  if (spec->in_place || is_zero (first, len))
    return 0;
  return fail (err, ERR_TARGET_EXISTS,
               "%s holds data, which would be lost; name another export, or give --force",
               p->shown);
}

static int
check_export (const struct target_place *p, struct nbd_export *x,
              const struct target_spec *spec, struct error *err)
{
  if (refuse_facts (p, export_facts (x), err) == -1
      || refuse_small (p, export_facts (x), target_least (spec), err) == -1)
    return -1;
  return refuse_held (p, x, spec, err);
}

int
target_export_preflight (const struct target_spec *spec, const struct target_place *p,
                         struct error *err)
{
  struct nbd_export *x;
  int r;

  if (connect_to (&x, p, spec, err) == -1)
    return -1;
  r = check_export (p, x, spec, err);
  export_close (x);
  return r;
}

int
target_export_open (struct target *t, const struct target_spec *spec, enum device_open how,
                    struct error *err)
{
  const struct target_place *p = &t->place;

  t->in_place = spec->in_place;
  t->same_stays = false;
  if (connect_to (&t->nbd, p, spec, err) == -1)
    return -1;
  if (how == DEVICE_NEW)
    return check_export (p, t->nbd, spec, err);
  if (how == DEVICE_AGAIN && refuse_facts (p, export_facts (t->nbd), err) == -1)
    return -1;
  return refuse_small (p, export_facts (t->nbd), t->virtual_size, err);
}

void
target_export_marked_by (const struct target_spec *spec, const struct target_place *p,
                         char import[37])
{
  struct target_spec at_once = *spec;
  uint8_t sector[SECTOR];
  struct nbd_export *x;
  struct error unheard;
  struct marker m;

  at_once.connect_time_ms = 0; /* who asks has waited for it, or will */
  if (connect_to (&x, p, &at_once, &unheard) == -1)
    return;
  if (export_facts (x)->size >= SECTOR && export_read (x, 0, sector, SECTOR) == 0
      && marker_parse (&m, sector))
    memcpy (import, m.import, sizeof m.import);
  export_close (x);
}
