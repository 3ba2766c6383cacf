/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * amend: see amend.h.
 */
#include "target/amend.h"

#include <string.h>

#include "base/bytes.h"
#include "target/open_target.h"

enum { PLACE = 12 };

struct amends {
  bool finished;
  size_t len;
  uint8_t stored[];
};

struct amend {
  uint64_t at;
  uint32_t len;
  const uint8_t *was, *is;
};

/* The one at *POS, which is advanced; false: there is none, or it is malformed. */
static bool
next_amend (const uint8_t *stored, size_t len, size_t *pos, struct amend *a)
{
  const uint8_t *p = stored + *pos;

  if (len - *pos < PLACE)
    return false;
  a->at = load_be64 (p);
  a->len = load_be32 (p + 8);
  a->was = p + PLACE;
  a->is = a->was + a->len;
  if (!is_aligned (a->at | a->len, SECTOR) || a->at > INT64_MAX
      || a->len > (len - *pos - PLACE) / 2)
    return false;
  *pos += PLACE + 2 * (size_t)a->len;
  return true;
}

int
target_set_amends (struct target *t, const void *stored, size_t len, bool finished,
                   struct error *err)
{
  struct amends *all;
  struct amend a;
  size_t pos = 0;

  while (next_amend (stored, len, &pos, &a))
    ;
  if (pos != len)
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: what --fix-gpt changed of it is malformed in the journal; restore that",
                 t->place.shown);
  all = malloc (sizeof *all + len);
  if (all == NULL)
    return fail_memory (err, "what was changed of the target");
  all->finished = finished;
  all->len = len;
  memcpy (all->stored, stored, len);
  free (t->amends);
  t->amends = all;
  return 0;
}

size_t
target_amend_put (uint8_t *out, uint64_t at, const uint8_t *was, const uint8_t *is,
                  uint32_t len)
{
  if (out != NULL) {
    store_be64 (out, at);
    store_be32 (out + 8, len);
    memcpy (out + PLACE, was, len);
    memcpy (out + PLACE + len, is, len);
  }
  return PLACE + 2 * (size_t)len;
}

/* SECTOR bytes that were read of A, OFF into it.  In a finished target the two change places:
 * what the image has is then what the target must not have. */
static void
exchange (const struct amend *a, uint32_t off, bool finished, uint8_t *read)
{
  if (memcmp (read, a->is + off, SECTOR) == 0)
    memcpy (read, a->was + off, SECTOR);
  else if (finished && memcmp (read, a->was + off, SECTOR) == 0)
    memcpy (read, a->is + off, SECTOR);
}

void
target_amend_read (const struct target *t, uint64_t at, uint8_t *buf, size_t len)
{
  struct amend a;
  size_t pos = 0;
  uint32_t off;

  while (t->amends != NULL && next_amend (t->amends->stored, t->amends->len, &pos, &a))
    for (off = 0; off < a.len; off += SECTOR)
      if (a.at + off >= at && a.at + off + SECTOR <= at + len)
        exchange (&a, off, t->amends->finished, buf + (a.at + off - at));
}

int
target_amend_again (struct target *t, uint64_t at, uint64_t len, struct error *err)
{
  struct amend a;
  size_t pos = 0;

  if (t->amends == NULL || !t->claim.repairing)
    return 0;
  while (next_amend (t->amends->stored, t->amends->len, &pos, &a))
    if (a.at < at + len && at < a.at + a.len && target_pwrite (t, a.at, a.is, a.len, err) == -1)
      return -1;
  return 0;
}
