/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * metrics: imports in the text format that Prometheus scrapes, or node_exporter reads from a
 * file.
 */
#ifndef QIMPORT_CLI_METRICS_H
#define QIMPORT_CLI_METRICS_H

#include "cli/imports.h"

void print_metrics (const struct import_list *l);

#endif
