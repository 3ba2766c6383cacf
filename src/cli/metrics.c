/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * metrics: see metrics.h.  A row of the table below is a metric; names follow Prometheus's
 * habits (base units, counters end in _total).
 */
#include "cli/metrics.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

static const char *const states[]
    = { "probing", "mapped", "copying", "interrupted", "failed", "complete" };
enum { N_STATES = sizeof states / sizeof *states };

static double
running (const struct import_row *i)
{
  return import_is_running (i) ? 1 : 0;
}

static double
virtual_size (const struct import_row *i)
{
  return (double)i->virtual_size;
}

static double
guest_total (const struct import_row *i)
{
  return (double)i->guest_total;
}

static double
guest_committed (const struct import_row *i)
{
  return (double)i->guest_committed;
}

static double
work_total (const struct import_row *i)
{
  return (double)i->work_total;
}

static double
work_done (const struct import_row *i)
{
  return (double)i->work_done;
}

static double
image_total (const struct import_row *i)
{
  return (double)i->image_total;
}

static double
fetched (const struct import_row *i)
{
  return (double)i->fetched;
}

static double
attempts (const struct import_row *i)
{
  return (double)i->attempts;
}

static double
started (const struct import_row *i)
{
  return (double)i->started_at / 1000;
}

static double
updated (const struct import_row *i)
{
  return (double)i->updated_at / 1000;
}

static double
finished (const struct import_row *i)
{
  return (double)i->finished_at / 1000;
}

static const struct {
  const char *name, *type, *help;
  double (*value) (const struct import_row *i);
} metrics[] = {
  { "qimport_import_running", "gauge", "Whether a process works on the import.", running },
  { "qimport_import_virtual_size_bytes", "gauge", "Size of the disk.", virtual_size },
  { "qimport_import_guest_bytes", "gauge", "Bytes of the disk that the map covers.",
    guest_total },
  { "qimport_import_committed_bytes", "gauge", "Bytes of the disk that are durable.",
    guest_committed },
  { "qimport_import_work_bytes", "gauge",
    "Of the former what is fetched and decoded, not zeros.", work_total },
  { "qimport_import_work_done_bytes", "gauge", "Of those, how many are durable: how far it is.",
    work_done },
  { "qimport_import_image_bytes", "gauge", "Bytes of the image that have to be fetched.",
    image_total },
  { "qimport_import_fetched_bytes_total", "counter", "Body bytes fetched in all attempts.",
    fetched },
  { "qimport_import_attempts_total", "counter", "How often it was begun or resumed.",
    attempts },
  { "qimport_import_started_timestamp_seconds", "gauge", "When it began.", started },
  { "qimport_import_updated_timestamp_seconds", "gauge", "When it last got on.", updated },
  { "qimport_import_finished_timestamp_seconds", "gauge", "When it was complete; 0: not yet.",
    finished },
};

static void
head (const char *name, const char *type, const char *help)
{
  out ("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void
label (const char *name, const char *value)
{
  char clean[4 * 4096];
  const char *p;

  out ("%s=\"", name);
  for (p = clean_text (clean, sizeof clean, value); *p != '\0'; p++)
    out (*p == '\\' || *p == '"' ? "\\%c" : "%c", *p);
  out ("\"");
}

static void
import_labels (const struct import_row *i)
{
  label ("id", i->id);
  out (",");
  label ("target", i->target);
}

static void
print_counts (const struct import_list *l)
{
  size_t s, i;

  head ("qimport_imports", "gauge", "Imports in the journal, by state.");
  for (s = 0; s < N_STATES; s++) {
    size_t n = 0;

    for (i = 0; i < l->n; i++)
      n += strcmp (l->v[i]->state, states[s]) == 0;
    out ("qimport_imports{state=\"%s\"} %zu\n", states[s], n);
  }
}

static void
print_states (const struct import_list *l)
{
  size_t s, i;

  head ("qimport_import_state", "gauge", "1 for the state that the import is in.");
  for (i = 0; i < l->n; i++)
    for (s = 0; s < N_STATES; s++) {
      out ("qimport_import_state{");
      import_labels (l->v[i]);
      out (",state=\"%s\"} %d\n", states[s], strcmp (l->v[i]->state, states[s]) == 0);
    }
}

static void
print_infos (const struct import_list *l)
{
  size_t i;

  head ("qimport_import_info", "gauge", "What is imported from where; always 1.");
  for (i = 0; i < l->n; i++) {
    out ("qimport_import_info{");
    import_labels (l->v[i]);
    out (",");
    label ("target_kind", l->v[i]->target_kind);
    out (",");
    label ("url", l->v[i]->url);
    out ("} 1\n");
  }
}

void
print_metrics (const struct import_list *l)
{
  size_t m, i;

  print_counts (l);
  if (l->n == 0)
    return;
  print_infos (l);
  print_states (l);
  for (m = 0; m < sizeof metrics / sizeof *metrics; m++) {
    head (metrics[m].name, metrics[m].type, metrics[m].help);
    for (i = 0; i < l->n; i++) {
      out ("%s{", metrics[m].name);
      import_labels (l->v[i]);
      out ("} %.17g\n", metrics[m].value (l->v[i]));
    }
  }
}
