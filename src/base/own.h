/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * own: the two cleanup macros of the project.  Every object has an empty state (NULL), and
 * its _close takes NULL and half-built things.  Giving away is visible: "*out = j; j = NULL;".
 */
#ifndef QIMPORT_BASE_OWN_H
#define QIMPORT_BASE_OWN_H

#include <stdlib.h>

/* After the declaration of void NAME_close (struct NAME *). */
#define OWNABLE(name)                                \
  static inline void name##_closep (struct name **p) \
  {                                                  \
    name##_close (*p);                               \
  }

/* OWN (journal) j = NULL;   closed at the end of the scope */
#define OWN(name) __attribute__ ((cleanup (name##_closep))) struct name *

static inline void
free_atp (void *p)
{
  free (*(void **)p);
}

/* OWN_MEM char *text = NULL;   freed at the end of the scope */
#define OWN_MEM __attribute__ ((cleanup (free_atp)))

#endif
