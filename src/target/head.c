/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * head: what is held back in memory until everything else is durable: the first 4 KiB, where
 * the marker stands meanwhile (J9), and of all but a file its first MiB, in pieces that the
 * caller may keep in its journal.  Knows which sectors it has been told, so that a piece that
 * was kept and forgotten is never written as zeros.
 */
#include "target/open_target.h"

#include <assert.h>

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

enum { HEAD_MAX = TARGET_HELD_PIECES * TARGET_HELD_DATA };

struct head {
  pthread_mutex_t lock;
  uint64_t len;
  bool blanked; /* what the device held there is gone */
  bool kept;    /* the caller keeps the pieces: then it must bring all of them back */
  bool changed[TARGET_HELD_PIECES];
  uint8_t known[HEAD_MAX / SECTOR / 8]; /* a bit a sector */
  uint8_t data[HEAD_MAX];
};

static void mark (struct head *h, uint64_t at, size_t len);

/* Whoever keeps what a target holds, or takes over from a version that held nothing back of a
 * file, has in T->before what belongs there. */
static bool
holds_before (const struct target *t)
{
  return (t->claim.stands == STANDS_OLD_VERSION || t->claim.stands == STANDS_UNCLAIMED)
         && (t->in_place || t->place.kind == TARGET_FILE);
}

int
target_head_new (struct target *t, struct error *err)
{
  bool device = t->place.kind != TARGET_FILE && !t->in_place;
  struct head *h;

  if (t->virtual_size == 0)
    return 0;
  h = calloc (1, sizeof *h);
  if (h == NULL)
    return fail_memory (err, "the first MiB of the target");
  pthread_mutex_init (&h->lock, NULL);
  h->len = min_u64 (device ? HEAD_MAX : MARKER_BLOCK, t->virtual_size);
  h->blanked = t->reads_zero || !device;
  h->kept = t->in_place;
  if (holds_before (t)) {
    memcpy (h->data, t->claim.before, (size_t)h->len);
    mark (h, 0, (size_t)h->len);
  }
  t->head = h;
  return 0;
}

void
target_head_close (struct head *h)
{
  if (h == NULL)
    return;
  pthread_mutex_destroy (&h->lock);
  free (h);
}

uint64_t
target_head_len (const struct head *h)
{
  return h->len;
}

/* Sectors only in part told are known too: guest ranges are whole sectors (extent.h). */
static void
mark (struct head *h, uint64_t at, size_t len)
{
  uint64_t s;

  for (s = at / SECTOR; s < (at + len + SECTOR - 1) / SECTOR; s++)
    h->known[s / 8] |= (uint8_t)(1 << s % 8);
  for (s = at / TARGET_HELD_DATA; s * TARGET_HELD_DATA < at + len; s++)
    h->changed[s] = true;
}

void
target_head_write (struct head *h, uint64_t at, const void *buf, size_t len)
{
  if (len == 0)
    return;
  pthread_mutex_lock (&h->lock);
  memcpy (h->data + at, buf, len);
  mark (h, at, len);
  pthread_mutex_unlock (&h->lock);
}

void
target_head_zero (struct head *h, uint64_t at, size_t len)
{
  pthread_mutex_lock (&h->lock);
  memset (h->data + at, 0, len);
  mark (h, at, len);
  pthread_mutex_unlock (&h->lock);
}

void
target_head_read (struct head *h, uint64_t at, void *buf, size_t len)
{
  pthread_mutex_lock (&h->lock);
  memcpy (buf, h->data + at, len);
  pthread_mutex_unlock (&h->lock);
}

/* Behind a server may be a sparse image: it is told of zeros as such. */
static int
put_piece (struct target *t, uint64_t at, const uint8_t *data, size_t len, struct error *err)
{
  if (t->nbd != NULL && all_zero (data, len))
    return target_zero_span (t, at, len, err);
  return target_pwrite (t, at, data, len, err);
}

/* Durable before anything else changes: the power may fail, and a disk keeps what it likes. */
int
target_head_blank (struct target *t, struct error *err)
{
  static const uint8_t zeros[65536];
  struct head *h = t->head;
  uint64_t at;
  size_t n;
  int r = 0;

  assert (t->claim.marked || t->claim.repairing); /* J9 */
  if (h == NULL)
    return 0;
  pthread_mutex_lock (&h->lock);
  for (at = SECTOR; !h->blanked && r == 0 && at < h->len; at += n) {
    n = (size_t)min_u64 (sizeof zeros, h->len - at);
    r = put_piece (t, at, zeros, n, err);
  }
  if (!h->blanked && r == 0)
    r = target_flush (t, false, err);
  h->blanked = h->blanked || r == 0;
  pthread_mutex_unlock (&h->lock);
  return r;
}

static uint64_t
first_unknown (const struct head *h)
{
  uint64_t s;

  for (s = 0; s * SECTOR < h->len; s++)
    if ((h->known[s / 8] & 1 << s % 8) == 0)
      return s * SECTOR;
  return h->len;
}

static int
put_all_but_first (struct target *t, struct error *err)
{
  const struct head *h = t->head;
  uint64_t at, to;
  int r = 0;

  for (at = SECTOR; at < h->len && r == 0; at = to) {
    to = min_u64 (h->len, align_down (at, TARGET_HELD_DATA) + TARGET_HELD_DATA);
    r = put_piece (t, at, h->data + at, (size_t)(to - at), err);
  }
  return r;
}

/* The first sector last: as long as it is the marker a resume does all of this again (J3). */
int
target_head_flush (struct target *t, struct error *err)
{
  struct head *h = t->head;

  assert (t->claim.marked);
  if (h->kept && !t->reads_zero && first_unknown (h) < h->len)
    return fail (err, ERR_INTERNAL,
                 "%s: what belongs at guest offset %" PRIu64
                 " was never written or restored; this is a fault of qimport, please report it",
                 t->place.shown, first_unknown (h));
  if (t->reads_zero && !t->preallocated && all_zero (h->data, (size_t)h->len))
    return target_zero_span (t, 0, h->len, err); /* stays sparse */
  if (put_all_but_first (t, err) == -1 || target_flush (t, false, err) == -1)
    return -1;
  return target_pwrite (t, 0, h->data, SECTOR, err);
}

/* The disk and not memory says so. */
int
target_head_settle (struct target *t, struct error *err)
{
  struct head *h = t->head;
  OWN_MEM uint8_t *back = NULL;
  size_t len;

  if (h == NULL)
    return 0;
  len = (size_t)h->len;
  back = malloc (len);
  if (back == NULL)
    return fail_memory (err, "reading back what was held back");
  if (target_read_disk (t, 0, back, len, err) == -1)
    return -1;
  if (memcmp (back, h->data, len) != 0 && t->claim.stands == STANDS_FINISHED)
    return target_refuse_unmarked (t, err);
  if (memcmp (back, h->data, len) != 0)
    return fail (err, ERR_TARGET_FAILED,
                 "%s does not give back what was written at its start; mend or replace the "
                 "disk, then begin anew: resume --restart",
                 t->place.shown);
  target_head_close (h);
  t->head = NULL;
  t->claim.marked = false;
  return 0;
}

int
target_head_finish (struct target *t, struct error *err)
{
  if (target_flush (t, false, err) == -1)
    return -1;
  if (t->claim.marked
      && (target_head_flush (t, err) == -1 || target_flush (t, false, err) == -1))
    return -1;
  return target_head_settle (t, err);
}

uint64_t
target_holds_back (const struct target *t)
{
  return t->head == NULL ? 0 : t->head->len;
}

bool
target_held_changed (struct target *t, unsigned piece, void *out)
{
  struct head *h = t->head;
  uint8_t *p = out;
  bool changed;

  if (h == NULL || piece >= TARGET_HELD_PIECES)
    return false;
  pthread_mutex_lock (&h->lock);
  h->kept = true;
  changed = h->changed[piece];
  if (changed) {
    memcpy (p, h->data + piece * TARGET_HELD_DATA, TARGET_HELD_DATA);
    memcpy (p + TARGET_HELD_DATA, h->known + piece * (TARGET_HELD_SIZE - TARGET_HELD_DATA),
            TARGET_HELD_SIZE - TARGET_HELD_DATA);
    h->changed[piece] = false;
  }
  pthread_mutex_unlock (&h->lock);
  return changed;
}

int
target_held_restore (struct target *t, unsigned piece, const void *stored, size_t len,
                     struct error *err)
{
  const uint8_t *data = stored, *known = data + TARGET_HELD_DATA;
  struct head *h = t->head;
  unsigned s;

  if (h == NULL)
    return 0; /* in its place already */
  if (piece >= TARGET_HELD_PIECES || len != TARGET_HELD_SIZE)
    return fail (err, ERR_INTERNAL, "%s: piece %u of what was held back is malformed",
                 t->place.shown, piece);
  pthread_mutex_lock (&h->lock);
  h->kept = true;
  for (s = 0; s < TARGET_HELD_DATA / SECTOR; s++) {
    uint64_t at = (uint64_t)piece * TARGET_HELD_DATA + s * SECTOR;

    if ((known[s / 8] & 1 << s % 8) == 0)
      continue;
    memcpy (h->data + at, data + s * SECTOR, SECTOR);
    h->known[at / SECTOR / 8] |= (uint8_t)(1 << at / SECTOR % 8);
  }
  pthread_mutex_unlock (&h->lock);
  return 0;
}
