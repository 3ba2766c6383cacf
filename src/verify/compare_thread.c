/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_thread: see compare_thread.h.
 */
#include "verify/compare_thread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "verify/committed.h"

enum { BATCH = 256, PIECE = 1 << 20, GRAIN = 4096 };

struct look {
  struct compare *c;
  struct journal_reader *reader;
  uint8_t *buf;      /* the window's bytes */
  uint64_t from, to; /* of it; empty: none is loaded */
  uint8_t *piece;    /* PIECE bytes, for what is elsewhere */
  struct leaves leaves;

  /* The run of data or hole that was asked for last. */
  uint64_t run_from, run_to;
  bool run_hole;

  struct committed committed;
  struct extent batch[BATCH]; /* zero runs */
};

/* ---- What is shared ----------------------------------------------------------------------
 */

/* The next unit: 1, or 0 when there is none. */
static int
next_unit (struct compare *c, struct unit *u, struct error *err)
{
  int rc = 0;

  memset (u, 0, sizeof *u);
  pthread_mutex_lock (&c->lock);
  while (!c->failed && !atomic_load (&c->quit) && c->seq - c->root.flushed >= PLAN_AHEAD)
    pthread_cond_wait (&c->change, &c->lock);
  if (!c->failed && !atomic_load (&c->quit)) {
    rc = compare_plan_next (&c->plan, u, err);
    u->seq = c->seq;
    c->seq += rc == 1;
  }
  pthread_mutex_unlock (&c->lock);
  return rc;
}

static void
flush_leaves (struct compare *c)
{
  struct leaves *l;
  unsigned i;

  while (c->root.flushed < c->seq && (l = &c->root.ring[c->root.flushed % PLAN_AHEAD])->ready) {
    merkle_zeros (&c->root.merkle, l->zeros);
    for (i = 0; i < l->n; i++)
      merkle_add (&c->root.merkle, l->digest[i]);
    l->ready = false;
    c->root.flushed++;
  }
}

static void
put_leaves (struct compare *c, const struct unit *u, const struct leaves *l)
{
  pthread_mutex_lock (&c->lock);
  c->root.ring[u->seq % PLAN_AHEAD] = *l;
  c->root.ring[u->seq % PLAN_AHEAD].ready = true;
  flush_leaves (c);
  pthread_cond_broadcast (&c->change);
  pthread_mutex_unlock (&c->lock);
}

static int
add_difference (struct compare *c, const struct difference *d, struct error *err)
{
  int rc;

  pthread_mutex_lock (&c->lock);
  rc = findings_add_difference (&c->findings, d, err);
  pthread_mutex_unlock (&c->lock);
  return rc;
}

static int
add_segment (struct compare *c, uint64_t ord, struct error *err)
{
  int rc;

  pthread_mutex_lock (&c->lock);
  rc = findings_add_segment (&c->findings, ord, err);
  pthread_mutex_unlock (&c->lock);
  return rc;
}

/* ---- Reading ---------------------------------------------------------------------------- */

static int
check_stop (const struct look *l, struct error *err)
{
  if (!atomic_load (l->c->spec.stop) && !atomic_load (&l->c->quit))
    return 0;
  return fail (err, ERR_INTERRUPTED, "interrupted while the target was read");
}

static int
find_run (struct look *l, uint64_t at, struct error *err)
{
  guest_off from = { at };
  uint64_t len;

  if (at >= l->run_from && at < l->run_to)
    return 0;
  if (target_next (l->c->spec.target, from, &len, &l->run_hole, err) == -1)
    return -1;
  l->run_from = at;
  l->run_to = at + len;
  return 0;
}

static int
read_disk (struct look *l, uint64_t at, uint8_t *buf, uint64_t len, struct error *err)
{
  guest_off from = { at };

  if (check_stop (l, err) == -1 || target_read (l->c->spec.target, from, buf, len, err) == -1)
    return -1;
  atomic_fetch_add (&l->c->bytes_read, len);
  return 0;
}

/* The first *N of LEN bytes at AT: *BUF, or NULL for a hole. */
static int
look_at (struct look *l, uint64_t at, uint64_t len, const uint8_t **buf, uint64_t *n,
         struct error *err)
{
  if (at >= l->from && at < l->to) {
    *buf = l->buf + (at - l->from);
    *n = min_u64 (len, l->to - at);
    return 0;
  }
  if (at < l->from)
    len = min_u64 (len, l->from - at);
  if (find_run (l, at, err) == -1)
    return -1;
  *n = min_u64 (len, l->run_to - at);
  *buf = NULL;
  if (l->run_hole)
    return check_stop (l, err);
  *n = min_u64 (*n, PIECE);
  *buf = l->piece;
  return read_disk (l, at, l->piece, *n, err);
}

static int
load_window (struct look *l, const struct unit *u, struct error *err)
{
  uint64_t at = u->from, n;

  l->from = l->to = 0;
  while (at < u->to) {
    if (find_run (l, at, err) == -1)
      return -1;
    n = min_u64 (u->to, l->run_to) - at;
    if (l->run_hole)
      memset (l->buf + (at - u->from), 0, n);
    else if (read_disk (l, at, l->buf + (at - u->from), n, err) == -1)
      return -1;
    at += n;
  }
  l->from = u->from;
  l->to = u->to;
  return 0;
}

/* ---- Leaves ------------------------------------------------------------------------------ */

static void
hole_leaves (struct look *l, const struct unit *u)
{
  uint64_t len = u->to - u->from;

  l->leaves.zeros = len / MERKLE_LEAF;
  l->leaves.n = len % MERKLE_LEAF > 0;
  if (l->leaves.n > 0)
    merkle_leaf (l->leaves.digest[0], NULL, len % MERKLE_LEAF);
}

static void
window_leaves (struct look *l, const struct unit *u)
{
  uint64_t at;

  for (at = u->from; at < u->to; at += MERKLE_LEAF) {
    const uint8_t *buf = l->buf + (at - u->from);
    size_t len = (size_t)min_u64 (MERKLE_LEAF, u->to - at);
    uint8_t *leaf = l->leaves.digest[l->leaves.n++];

    if (len == MERKLE_LEAF && all_zero (buf, len))
      memcpy (leaf, l->c->root.merkle.zero[0], DIGEST_SIZE); /* of which nothing changes */
    else
      merkle_leaf (leaf, buf, len);
  }
}

/* ---- Zero runs --------------------------------------------------------------------------- */

/* What of LEN bytes is not zero, by the page. */
static int
find_nonzero (struct look *l, uint64_t at, const uint8_t *buf, uint64_t len, struct error *err)
{
  while (len > 0) {
    uint64_t n = min_u64 (len, GRAIN - at % GRAIN);
    struct difference d = { at, n, true };

    if (!all_zero (buf, n) && add_difference (l->c, &d, err) == -1)
      return -1;
    at += n;
    buf += n;
    len -= n;
  }
  return 0;
}

static int
compare_zeros (struct look *l, uint64_t at, uint64_t end, struct error *err)
{
  const uint8_t *buf;
  uint64_t n;

  pthread_mutex_lock (&l->c->lock);
  l->c->findings.result.zero_bytes += end - at;
  pthread_mutex_unlock (&l->c->lock);
  for (; at < end; at += n) {
    if (look_at (l, at, end - at, &buf, &n, err) == -1)
      return -1;
    if (buf != NULL && !all_zero (buf, n) && find_nonzero (l, at, buf, n, err) == -1)
      return -1;
  }
  return 0;
}

static int
window_zeros (struct look *l, const struct unit *u, struct error *err)
{
  uint64_t ord = u->zero_from, from, to;
  size_t i, n;

  do {
    if (journal_zeros (l->reader, ord, l->batch, BATCH, &n, err) == -1)
      return -1;
    for (i = 0; i < n && l->batch[i].guest.v < u->to; i++) {
      if (l->c->spec.imp->keep_holes && l->batch[i].kind == EXTENT_HOLE)
        continue; /* it is what the target held before */
      from = max_u64 (l->batch[i].guest.v, u->from);
      to = min_u64 (extent_guest_end (&l->batch[i]), u->to);
      if (from < to && compare_zeros (l, from, to, err) == -1)
        return -1;
    }
    ord += n;
  } while (n == BATCH && i == n);
  return 0;
}

/* ---- Segments ---------------------------------------------------------------------------- */

typedef int (*each_run) (struct look *l, void *ctx, uint64_t at, uint64_t len,
                         struct error *err);

/* TELLING: not all of it is one byte over and over, which other disks have as well. */
struct hashing {
  struct digest digest;
  bool telling;
};

static int
hash_run (struct look *l, void *ctx, uint64_t at, uint64_t len, struct error *err)
{
  struct hashing *h = ctx;
  struct digest *d = &h->digest;
  const uint8_t *buf;
  uint64_t n;

  for (; len > 0; at += n, len -= n) {
    if (look_at (l, at, len, &buf, &n, err) == -1)
      return -1;
    if (buf == NULL)
      digest_zeros (d, n);
    else
      digest_update (d, buf, n);
    h->telling |= buf != NULL && !bytes_are_one (buf, n);
  }
  return 0;
}

static int
report_run (struct look *l, void *ctx, uint64_t at, uint64_t len, struct error *err)
{
  struct difference d = { at, len, false };

  (void)ctx;
  return add_difference (l->c, &d, err);
}

/* Extents that are neighbours on the guest are one run. */
struct joined {
  struct look *look;
  each_run each;
  void *ctx;
  uint64_t at, len;
};

static int
join (void *ctx, const struct extent *e, uint64_t len, struct error *err)
{
  struct joined *j = ctx;

  if (j->len > 0 && e->guest.v != j->at + j->len) {
    if (j->each (j->look, j->ctx, j->at, j->len, err) == -1)
      return -1;
    j->len = 0;
  }
  if (j->len == 0)
    j->at = e->guest.v;
  j->len += len;
  return 0;
}

/* What is committed of S, in host order. */
static int
each_committed (struct look *l, const struct segment *s, each_run each, void *ctx,
                struct error *err)
{
  struct joined j = { .look = l, .each = each, .ctx = ctx };

  if (committed_walk (&l->committed, s, join, &j, err) == -1)
    return -1;
  return j.len > 0 ? each (l, ctx, j.at, j.len, err) : 0;
}

static int
count_segment (struct look *l, bool telling)
{
  pthread_mutex_lock (&l->c->lock);
  l->c->findings.result.segments_compared++;
  l->c->findings.result.segments_telling += telling;
  pthread_mutex_unlock (&l->c->lock);
  return 0;
}

static int
compare_segment (struct look *l, struct segment *s, struct error *err)
{
  struct hashing h = { .telling = false };
  bool same;

  if (l->c->spec.whole && !s->committed)
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: segment %" PRIu64 " is not committed, though all of them should be; "
                 "restore the journal",
                 l->c->spec.journal_path, s->ord);
  if (s->extents == 0 || (!s->committed && s->hash_len == 0))
    return s->committed ? count_segment (l, false) : 0;
  digest_init (&h.digest);
  if (each_committed (l, s, hash_run, &h, err) == -1)
    return -1;
  if (!l->c->spec.whole)
    atomic_fetch_add (&l->c->done, digest_count (&h.digest));
  same = committed_is_same (s, &h.digest);
  count_segment (l, same && h.telling);
  if (same)
    return 0;
  if (add_segment (l->c, s->ord, err) == -1)
    return -1;
  return each_committed (l, s, report_run, NULL, err);
}

static int
compare_segments (struct look *l, const struct unit *u, struct error *err)
{
  struct segment some[16];
  uint64_t ord = u->ord_from;
  size_t i, n;

  while (ord < u->ord_to) {
    if (journal_segments (l->reader, ord, some, (size_t)min_u64 (16, u->ord_to - ord), &n, err)
        == -1)
      return -1;
    for (i = 0; i < n; i++)
      if (compare_segment (l, &some[i], err) == -1)
        return -1;
    if (n == 0)
      return fail (err, ERR_JOURNAL_CORRUPT,
                   "%s: segment %" PRIu64 " of the import is missing; restore the journal",
                   l->c->spec.journal_path, ord);
    ord += n;
  }
  return 0;
}

/* ---- The thread -------------------------------------------------------------------------- */

static int
look_at_unit (struct look *l, const struct unit *u, struct error *err)
{
  l->from = l->to = 0;
  l->leaves.zeros = l->leaves.n = 0;
  if (u->hole) {
    hole_leaves (l, u);
  } else if (u->to > u->from) {
    if (load_window (l, u, err) == -1)
      return -1;
    window_leaves (l, u);
  }
  put_leaves (l->c, u, &l->leaves);
  if (u->to > u->from && window_zeros (l, u, err) == -1)
    return -1;
  if (u->zeros.len > 0
      && compare_zeros (l, u->zeros.at.v, u->zeros.at.v + u->zeros.len, err) == -1)
    return -1;
  if (compare_segments (l, u, err) == -1)
    return -1;
  atomic_fetch_add (&l->c->done, u->to - u->from + u->zeros.len);
  return 0;
}

static void
look_release (struct look *l)
{
  committed_release (&l->committed);
  journal_reader_close (l->reader);
  free (l->buf);
  free (l->piece);
  free (l);
}

static struct look *
look_new (struct compare *c, struct error *err)
{
  struct look *l = calloc (1, sizeof *l);

  if (l == NULL) {
    fail_memory (err, "an audit");
    return NULL;
  }
  l->c = c;
  l->buf = malloc (c->window);
  l->piece = malloc (PIECE);
  if (l->buf == NULL || l->piece == NULL)
    fail_memory (err, "an audit");
  else if (journal_reader_open (&l->reader, c->spec.journal_path, c->spec.imp->no, err) == 0) {
    committed_init (&l->committed, l->reader, c->spec.imp, NULL);
    return l;
  }
  look_release (l);
  return NULL;
}

void *
compare_thread (void *compare)
{
  struct compare *c = compare;
  struct error err;
  struct look *l = look_new (c, &err);
  struct unit u;
  int rc = l == NULL ? -1 : 1;

  while (rc == 1) {
    rc = next_unit (c, &u, &err);
    if (rc == 1 && look_at_unit (l, &u, &err) == -1)
      rc = -1;
  }
  if (l != NULL)
    look_release (l);
  pthread_mutex_lock (&c->lock);
  c->running--;
  if (rc == -1 && !c->failed) {
    c->failed = true;
    c->error = err;
  }
  pthread_cond_broadcast (&c->change);
  pthread_mutex_unlock (&c->lock);
  return NULL;
}
