/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * committed: what of a segment is committed, as the journal has it: walked, decoded from the
 * image's bytes, hashed, and held against the digest that the journal has.  Whoever asks
 * whether source or target are still what they were goes by this.  Reads nothing but the
 * journal.
 */
#ifndef QIMPORT_VERIFY_COMMITTED_H
#define QIMPORT_VERIFY_COMMITTED_H

#include "base/digest.h"
#include "copy/decoders.h"

enum { COMMITTED_BATCH = 256 };

/* For one thread. */
struct committed {
  struct journal_reader *reader;
  const struct journal_import *imp;
  struct decoders decoders; /* without formats nothing may be decoded */
  uint8_t *cluster;         /* one, decoded */
  size_t cluster_size;
  struct extent batch[COMMITTED_BATCH];
};

/* What is given must outlive it. */
void committed_init (struct committed *c, struct journal_reader *reader,
                     const struct journal_import *imp, const struct layer_format *formats);
void committed_release (struct committed *c);

/* The first LEN guest bytes of E are committed. */
typedef int (*committed_extent) (void *ctx, const struct extent *e, uint64_t len,
                                 struct error *err);
/* EACH extent of S of which something is, in host order. */
int committed_walk (struct committed *c, const struct segment *s, committed_extent each,
                    void *ctx, struct error *err);

/* Takes the decoded bytes of one extent. */
typedef int (*committed_put) (void *ctx, guest_off at, const uint8_t *buf, uint64_t len,
                              struct error *err);
/* From BYTES, those of s->need: all that is committed, in host order. */
int committed_decode (struct committed *c, const struct segment *s, const uint8_t *bytes,
                      committed_put put, void *ctx, struct error *err);

/* BYTES, those of s->need, decode to what was committed: 0.  1: to something else, or not at
 * all; -1. */
int committed_compare (struct committed *c, const struct segment *s, const uint8_t *bytes,
                       struct error *err);

/* D is over what is committed of S: is it what the journal has? */
bool committed_is_same (const struct segment *s, const struct digest *d);

#endif
