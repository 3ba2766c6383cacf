/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * describe: a JSON document as "key: value" lines, the way qemu-img info looks.
 */
#ifndef QIMPORT_CLI_DESCRIBE_H
#define QIMPORT_CLI_DESCRIBE_H

void describe_json (const char *document);

#endif
