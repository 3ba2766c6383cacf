/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * forward_spec: what reading forward is told at its beginning, what it asks of whoever runs the
 * import, and what of it is there when it has ended.
 */
#ifndef QIMPORT_FORWARD_FORWARD_SPEC_H
#define QIMPORT_FORWARD_FORWARD_SPEC_H

#include <stdatomic.h>

#include "base/hash.h"
#include "copy/copy.h"
#include "image/image.h"
#include "journal/journal.h"
#include "target/kept.h"

/* What is for others to do, and when; -1 ends the reading. */
struct forward_verbs {
  /* Before each step: may it go on? */
  int (*check) (void *ctx, struct error *err);
  /* The disk is known, of so many bytes: what spec.image and spec.imp say of it by now is to be
   * in the journal.  Until then an image that is refused leaves nothing there. */
  int (*begin) (void *ctx, uint64_t virtual_size, struct error *err);
  /* Then: claim the target, and begin the copy that bytes are handed to. */
  int (*open_copy) (void *ctx, struct copy **out, struct error *err);
  /* A line for the user. */
  void (*warn) (void *ctx, const char *words);
};

/* What it points to must outlive the reading. */
struct forward_spec {
  struct image *image; /* open; what its header says is filled in */
  struct journal *journal;
  struct journal_import *imp; /* what is found out of it is filled in */
  bool begun;                 /* the journal has it from an earlier run */
  bool restart;               /* but what it has of the bytes does not count */
  bool keep_holes;
  bool hashes;          /* all that comes is hashed */
  const char *checksum; /* that it must have: says by what; "" */
  const char *snapshot; /* NULL: the active disk */
  uint64_t max_size;    /* of the virtual disk */
  uint64_t memory;      /* for unpacking */
  unsigned threads;     /* that unpack */
  bool no_keep;         /* nothing is kept of a wrapped file */
  const char *spool_dir;
  const atomic_bool *seal_stop; /* ends the sealing */
  const struct forward_verbs *verbs;
  void *ctx; /* for the verbs */
};

/* What outlives the reading; all zeros before it. */
struct forward_result {
  struct kept
      *kept; /* what was fetched of a wrapped image; NULL: nothing is kept; the owner's */
  char checksum[HASH_TEXT]; /* of all that came, when it has ended */
  bool handed_on;           /* bytes went to the copy, or would have */
};

#endif
