/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * write_gather: see write_gather.h.
 */
#include "copy/write_gather.h"

#include <stdlib.h>
#include <sys/uio.h>

int
gather_init (struct gather *g, size_t arena, struct error *err)
{
  gather_drop (g);
  g->arena_size = arena;
  g->arena = malloc (arena);
  return g->arena == NULL ? fail_memory (err, "a worker") : 0;
}

void
gather_release (struct gather *g)
{
  free (g->arena);
  g->arena = NULL;
}

uint8_t *
gather_room (struct gather *g, size_t len)
{
  uint8_t *room = g->arena + g->arena_used;

  if (g->arena_size - g->arena_used < len || GATHER_MAX - g->n < GATHER_CLUSTER)
    return NULL;
  g->arena_used += len;
  return room;
}

bool
gather_add (struct gather *g, guest_off at, const uint8_t *buf, uint64_t len, bool zero)
{
  struct piece *last = g->n > 0 ? &g->piece[g->n - 1] : NULL;

  if (last != NULL && last->at.v + last->len == at.v && last->buf + last->len == buf
      && last->zero == zero) {
    last->len += len;
    return true;
  }
  if (g->n == GATHER_MAX)
    return false;
  g->piece[g->n++] = (struct piece){ at, buf, len, zero };
  return true;
}

static int
by_guest (const void *a, const void *b)
{
  const struct piece *x = a, *y = b;

  return x->at.v < y->at.v ? -1 : x->at.v > y->at.v;
}

/* How many pieces from P on, of N, lie one behind the other on the guest and are treated alike.
 */
static size_t
run_of (const struct piece *p, size_t n, bool skip_zeros)
{
  size_t i = 1;

  while (i < n && p[i - 1].at.v + p[i - 1].len == p[i].at.v
         && !(skip_zeros && p[i].zero != p[0].zero))
    i++;
  return i;
}

static int
write_run (const struct piece *p, size_t n, struct target *t, uint64_t *wrote,
           struct error *err)
{
  struct iovec iov[GATHER_MAX];
  uint64_t len = 0;
  size_t i;

  for (i = 0; i < n; i++) {
    iov[i].iov_base = (void *)(uintptr_t)p[i].buf;
    iov[i].iov_len = p[i].len;
    len += p[i].len;
  }
  if (target_writev (t, p->at, iov, (int)n, err) == -1)
    return -1;
  *wrote += len;
  return 0;
}

int
gather_write (struct gather *g, struct target *t, uint64_t *wrote, struct error *err)
{
  bool skip_zeros = target_reads_zero (t);
  size_t i, n;
  int rc = 0;

  qsort (g->piece, g->n, sizeof *g->piece, by_guest);
  for (i = 0; i < g->n && rc == 0; i += n) {
    n = run_of (&g->piece[i], g->n - i, skip_zeros);
    if (!(skip_zeros && g->piece[i].zero))
      rc = write_run (&g->piece[i], n, t, wrote, err);
  }
  return rc;
}

void
gather_drop (struct gather *g)
{
  g->n = g->arena_used = 0;
}
