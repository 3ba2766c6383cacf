/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * publisher: in words, from whom it is known what the image must be.
 */
#ifndef QIMPORT_CLI_PUBLISHER_H
#define QIMPORT_CLI_PUBLISHER_H

enum { PUBLISHER_SIZE = 160 };

/* From whom the checksum is that the image must have, as the object at PATH of a status or a
 * receipt says it: "checksum signed by FINGERPRINT".  0: none was given. */
int publisher_words (char out[PUBLISHER_SIZE], const char *document, const char *path);

#endif
