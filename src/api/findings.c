/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * findings: what an audit found, as the document of `qimport audit --json` (doc/digests.md).
 */
#include "import/auditing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/document.h"

enum { LISTED_MAX = 1000 };

static const char *
verdict_word (enum verdict v)
{
  static const char *const words[] = {
#define X(name, word) [VERDICT_##name] = word,
    VERDICTS (X)
#undef X
  };

  return words[v];
}

static void
print_differences (FILE *out, const struct compare_result *r)
{
  size_t i;

  fprintf (out,
           "  \"differing_bytes\": %" PRIu64 ",\n  \"differing_ranges\": %zu,\n"
           "  \"differences\": [",
           r->differ_bytes, r->n_differences);
  for (i = 0; i < r->n_differences && i < LISTED_MAX; i++)
    fprintf (out, "%s\n    {\"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"kind\": \"%s\"}",
             i > 0 ? "," : "", r->differences[i].start, r->differences[i].length,
             r->differences[i].zero ? "zero" : "data");
  fprintf (out, "%s],\n  \"differences_cut\": %s,\n", i > 0 ? "\n  " : "",
           json_bool (r->cut || i < r->n_differences));
}

static void
print_findings (FILE *out, const struct audit *a)
{
  const struct compare_result *r = &a->result;
  char hex[DIGEST_HEX];

  fprintf (out, "{\n  \"id\": \"%s\",\n  \"state\": \"%s\",\n  \"target\": ", a->imp.id,
           import_state_word (a->imp.now.state));
  json_string (out, a->imp.target);
  fprintf (out, ",\n  \"verdict\": \"%s\",\n  \"root_digest\": ", verdict_word (a->verdict));
  if (r->have_root)
    fprintf (out, "\"%s\",\n", digest_hex (hex, r->root));
  else
    fprintf (out, "null,\n");
  fprintf (out, "  \"bytes_read\": %" PRIu64 ",\n", r->bytes_read);
  fprintf (out,
           "  \"segments\": {\"total\": %" PRIu64 ", \"compared\": %" PRIu64
           ", \"differ\": %" PRIu64 "},\n",
           r->segments, r->segments_compared, r->segments_differ);
  fprintf (out, "  \"zero_bytes\": %" PRIu64 ",\n", r->zero_bytes);
  print_differences (out, r);
  fprintf (out, "  \"repaired\": ");
  if (a->repaired.segments + a->repaired.zeros > 0)
    fprintf (out,
             "{\"segments\": %" PRIu64 ", \"zero_bytes\": %" PRIu64 ", \"fetched\": %" PRIu64
             "}\n}\n",
             a->repaired.segments, a->repaired.zeros, a->repaired.fetched);
  else
    fprintf (out, "null\n}\n");
}

int
qimport_audit_json (struct qimport *q, char **json, struct qimport_error *error)
{
  struct error err;
  size_t size;
  FILE *out;

  *json = NULL;
  if (q->audit == NULL || q->audit->verdict == VERDICT_NONE) {
    fail (&err, ERR_USAGE, "the audit is not done");
    return publish_error (error, &err);
  }
  out = open_memstream (json, &size);
  if (out != NULL)
    print_findings (out, q->audit);
  if (out != NULL && fclose (out) == 0)
    return 0;
  free (*json);
  *json = NULL;
  fail_memory (&err, "a document");
  return publish_error (error, &err);
}
