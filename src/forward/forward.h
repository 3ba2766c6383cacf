/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * forward: an import from bytes that come once, in order: a pipe, a server that does not honour
 * ranges, a wrapped file.  Map and copy are made beside each other; who runs the import says
 * what begins when (forward_spec.h).  Knows no phases and no options.
 */
#ifndef QIMPORT_FORWARD_FORWARD_H
#define QIMPORT_FORWARD_FORWARD_H

#include "forward/forward_spec.h"

struct stream;

struct forward {
  struct stream *stream; /* NULL: nothing is being read */
  struct forward_result result;
};

int forward_open (struct forward *f, const struct forward_spec *spec, struct error *err);
/* A bit of it.  1: more; 0: the map is sealed and all handed to the copy, which was told so. */
int forward_step (struct forward *f, struct error *err);
/* Ends the reading; the result stays. */
void forward_close (struct forward *f);

/* Guest bytes that are known of so far, and how many of them are no zeros; not while a map is
 * sealed already.  False: no stream is being read. */
bool forward_found (const struct forward *f, uint64_t *guest, uint64_t *data);
/* Bytes that are still to come, where every table was seen; false: not known. */
bool forward_left (const struct forward *f, uint64_t *bytes);
/* Of a wrapped image: bytes of its file that were taken so far, whether fetched or kept. */
uint64_t forward_taken (const struct forward *f);

/* Where what was fetched is kept, or would be; the caller frees. */
char *forward_kept_path (const struct journal_import *imp, const char *spool_dir,
                         const struct journal *j);

#endif
