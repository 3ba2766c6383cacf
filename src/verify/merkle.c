/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * merkle: see merkle.h.  Whole subtrees stand on a stack, one a level, as the bits of the count
 * of leaves say; two of a level are one of the next.
 */
#include "verify/merkle.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

void
merkle_leaf (uint8_t out[DIGEST_SIZE], const uint8_t *buf, size_t len)
{
  static const uint8_t mark = 0;
  struct digest d;

  digest_init (&d);
  digest_update (&d, &mark, 1);
  if (buf == NULL)
    digest_zeros (&d, len);
  else
    digest_update (&d, buf, len);
  digest_peek (&d, out);
}

/* OUT may be LEFT or RIGHT. */
static void
make_node (uint8_t out[DIGEST_SIZE], const uint8_t left[DIGEST_SIZE],
           const uint8_t right[DIGEST_SIZE])
{
  static const uint8_t mark = 1;
  struct digest d;

  digest_init (&d);
  digest_update (&d, &mark, 1);
  digest_update (&d, left, DIGEST_SIZE);
  digest_update (&d, right, DIGEST_SIZE);
  digest_peek (&d, out);
}

void
merkle_init (struct merkle *m)
{
  unsigned i;

  m->leaves = 0;
  merkle_leaf (m->zero[0], NULL, MERKLE_LEAF);
  for (i = 1; i < MERKLE_LEVELS; i++)
    make_node (m->zero[i], m->zero[i - 1], m->zero[i - 1]);
}

/* A subtree of 2^LEVEL leaves; their count so far is a multiple of that. */
static void
add_subtree (struct merkle *m, unsigned level, const uint8_t digest[DIGEST_SIZE])
{
  uint8_t d[DIGEST_SIZE];
  unsigned i;

  assert (level < MERKLE_LEVELS && m->leaves < UINT64_C (1) << (MERKLE_LEVELS - 1));
  memcpy (d, digest, DIGEST_SIZE);
  for (i = level; m->leaves >> i & 1; i++)
    make_node (d, m->node[i], d);
  memcpy (m->node[i], d, DIGEST_SIZE);
  m->leaves += UINT64_C (1) << level;
}

void
merkle_add (struct merkle *m, const uint8_t leaf[DIGEST_SIZE])
{
  add_subtree (m, 0, leaf);
}

void
merkle_zeros (struct merkle *m, uint64_t n)
{
  while (n > 0) {
    unsigned level = 0;

    while (n >> (level + 1) > 0 && (m->leaves >> level & 1) == 0)
      level++;
    add_subtree (m, level, m->zero[level]);
    n -= UINT64_C (1) << level;
  }
}

void
merkle_root (const struct merkle *m, uint8_t out[DIGEST_SIZE])
{
  bool any = false;
  struct digest d;
  unsigned i;

  for (i = 0; i < MERKLE_LEVELS; i++) {
    if ((m->leaves >> i & 1) == 0)
      continue;
    if (any)
      make_node (out, m->node[i], out);
    else
      memcpy (out, m->node[i], DIGEST_SIZE);
    any = true;
  }
  if (any)
    return;
  digest_init (&d);
  digest_peek (&d, out);
}
