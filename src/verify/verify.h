/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * verify: is it still so?  What the journal says is committed, held against the source, the
 * target or both: samples at a resume here; all of it in compare.h; repair.h fetches again what
 * differs.  Reads only (but for repair).
 */
#ifndef QIMPORT_VERIFY_VERIFY_H
#define QIMPORT_VERIFY_VERIFY_H

#include "image/image.h"
#include "journal/journal.h"
#include "target/target.h"

/* What is held against what; IMAGE or TARGET may be NULL where it is not asked for. */
struct verify_spec {
  const struct journal_import *imp;
  const char *journal_path;
  struct image *image;
  struct target *target;
};

/* source_samples.c: some committed segments are fetched again and must have the digests of the
 * journal.  ERR_SOURCE_CHANGED, also where none of what is committed can be compared. */
int verify_source_samples (const struct verify_spec *v, struct error *err);

/* target_samples.c: some of what is committed is read from the target again (T9).
 * ERR_TARGET_CHANGED. */
int verify_target_samples (const struct verify_spec *v, struct error *err);
/* *THERE: something of what was imported and is complete is on the target still; a guest may
 * have changed the rest.  Of another disk nothing is. */
int verify_target_is_there (const struct verify_spec *v, bool *there, struct error *err);

/* " boot=HEX", which tells the disk's first block, for the identity of a target that is
 * complete; "" where it is one byte over and over. */
int verify_name_first (const struct verify_spec *v, char out[24], struct error *err);
/* Is its first block as that identity says? */
bool verify_first_is_same (const struct verify_spec *v);

/* mirror_proof.c: what the mirrors of a sealed map's image must have in common with it before
 * their bytes are used: its tables, and some of the data. */
int verify_mirrors (const struct verify_spec *v, struct error *err);

#endif
