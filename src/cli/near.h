/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * near: did you mean?
 */
#ifndef QIMPORT_CLI_NEAR_H
#define QIMPORT_CLI_NEAR_H

/* Collects the nearest of the words shown to it. */
struct near {
  const char *typed;
  const char *best; /* NULL: nothing is near enough */
  unsigned distance;
};

void near_begin (struct near *n, const char *typed);
void near_try (struct near *n, const char *word);

#endif
