/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * secret: J8 on this side of the library.  What the user typed may hold passwords; it is
 * neither shown again nor left where `ps` finds it.
 */
#ifndef QIMPORT_CLI_SECRET_H
#define QIMPORT_CLI_SECRET_H

#include <stddef.h>

/* The same into OUT.  Returns OUT. */
char *redact_word (char *out, size_t size, const char *word);

/* A copy of ARGV, NULL-terminated; the originals, which /proc/PID/cmdline shows, are
 * overwritten with their redacted form.  NULL when memory is out. */
char **secret_take_argv (int argc, char **argv);

#endif
