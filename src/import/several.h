/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * several: the same image onto several targets, from one fetch.
 *
 * What the user steps is the carrier: it opens the image, makes the map and runs the copy, and
 * has neither a target nor an import of its own in the journal.  Each target is a member: an
 * import like any other, with its row, map, marker, events and receipt, so that J1 to J9 hold
 * for it by itself; at any instant it can be resumed alone.
 *
 *     gather   which targets are free?  Then the image is opened, and each is begun
 *     map      the image's map, as that of the first of them
 *     deal     the others get the same; each target is made and claimed; the copy is opened
 *     spread   fetched once, decoded once, written to all of them (copy/outlets.h)
 *     part     each is finished by itself, as a resume would finish it
 *
 * A member that fails is left as any import that fails, when the copy has ended, and the others
 * go on.  Those that live have come equally far: they share the map and what is committed of
 * it.
 */
#ifndef QIMPORT_IMPORT_SEVERAL_H
#define QIMPORT_IMPORT_SEVERAL_H

#include "import/import.h"

struct several {
  struct qimport *carrier;
  struct qimport *member[COPY_OUTLETS_MAX]; /* in the order in which they were given */
  unsigned n;
  unsigned outlet[COPY_OUTLETS_MAX], n_outlets; /* of the copy: which member it is */
  bool told[COPY_OUTLETS_MAX];                  /* its failure */
};

static inline bool
import_is_carrier (const struct qimport *q)
{
  return q->several != NULL && q->several->carrier == q;
}

static inline bool
import_is_member (const struct qimport *q)
{
  return q->several != NULL && q->several->carrier != q;
}

/* Q carries the N imports of MEMBER, whose owner it is from now on. */
int several_open (struct qimport *q, struct qimport *const *member, unsigned n,
                  struct error *err);
/* After Q was left. */
void several_close (struct qimport *q);

/* Of a member that lives still: the reason why its target fell out of the copy. */
void several_note_failures (struct qimport *q);
/* Leave those that live as Q is left for WHY. */
void several_leave (struct qimport *q, const struct error *why);
/* All of them stop. */
void several_cancel (struct qimport *q);
void several_event (struct qimport *q, const char *kind, const char *detail);

#endif
