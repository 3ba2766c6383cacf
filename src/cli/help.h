/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * help: what qimport can be asked for, on one screen; and all about one command.
 */
#ifndef QIMPORT_CLI_HELP_H
#define QIMPORT_CLI_HELP_H

#include "cli/commands.h"

/* C NULL: the whole program. */
void print_help (const struct command *c);
void print_version (void);

#endif
