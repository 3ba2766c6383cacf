/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map: qimport map, of an image or of an import.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/imports.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/secret.h"

/* One object of the map. */
struct row {
  uint64_t start, length, offset, depth;
  bool data, zero, compressed, has_offset;
};

static void
take_value (struct row *r, const struct json *j)
{
  uint64_t number = strtoull (j->text, NULL, 10);
  bool truth = strcmp (j->text, "true") == 0;

  if (strcmp (j->key, "start") == 0)
    r->start = number;
  else if (strcmp (j->key, "length") == 0)
    r->length = number;
  else if (strcmp (j->key, "depth") == 0)
    r->depth = number;
  else if (strcmp (j->key, "data") == 0)
    r->data = truth;
  else if (strcmp (j->key, "zero") == 0)
    r->zero = truth;
  else if (strcmp (j->key, "compressed") == 0)
    r->compressed = truth;
  else if (strcmp (j->key, "offset") == 0) {
    r->has_offset = true;
    r->offset = number;
  }
}

/* As qemu-img: what reads as zeros is not shown. */
static void
print_row (const struct row *r, const char *file)
{
  if (!r->data || r->zero)
    return;
  out ("%#-16" PRIx64 "%#-16" PRIx64, r->start, r->length);
  if (r->has_offset)
    out ("%#-16" PRIx64, r->offset);
  else
    out ("%-16s", r->compressed ? "compressed" : "-");
  if (r->depth == 0)
    out ("%s\n", file);
  else
    out ("backing file %" PRIu64 "\n", r->depth);
}

static void
print_map (const char *document, const char *file)
{
  char clean[8192];
  struct row r = { .start = 0 };
  enum json_kind kind;
  struct json j;

  clean_text (clean, sizeof clean, file);
  out ("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
  json_begin (&j, document);
  while ((kind = json_next (&j)) != JSON_END) {
    if (kind == JSON_OBJECT)
      r = (struct row){ .start = 0 };
    else if (kind == JSON_WORD)
      take_value (&r, &j);
    else if (kind == JSON_OBJECT_END)
      print_row (&r, clean);
  }
}

static int
copy_info (void *ctx, const struct qimport_info *info)
{
  *(struct qimport_info *)ctx = *info;
  return 0;
}

static bool
is_address (const char *word)
{
  return strstr (word, "://") != NULL || strcmp (word, "-") == 0;
}

/* WORD is an import of the journal; *J stays open then, for the caller. */
static bool
find_import (const struct arguments *a, const char *word, struct qimport_journal **j,
             struct qimport_info *info)
{
  struct qimport_error err;

  if (is_address (word))
    return false;
  if (qimport_journal_open (j, a->journal, QIMPORT_READ_ONLY, &err) == -1)
    return false;
  return qimport_list (*j, word, copy_info, info, &err) == 0 && info->id[0] != '\0';
}

int
run_map (const struct arguments *a)
{
  struct qimport_info info = { .id = "" };
  struct qimport_journal *j = NULL;
  char file[sizeof info.url], *json = NULL;
  struct qimport_error err;
  struct patience p;
  int rc;

  if (find_import (a, a->words[0], &j, &info)) {
    memcpy (file, info.url, sizeof file);
    rc = qimport_map_import_json (j, info.id, &json, &err);
  } else if (!is_address (a->words[0]) && access (a->words[0], F_OK) == -1) {
    qimport_journal_close (j);
    message ("%s is no import of this journal, and no file; qimport status lists the imports",
             a->words[0]);
    return QIMPORT_JOURNAL;
  } else {
    redact_word (file, sizeof file, a->words[0]);
    patience_begin (&p, a->quiet ? NULL : file);
    rc = qimport_map_json (a->words[0], a->options, &json, &err);
    patience_end (&p);
  }
  qimport_journal_close (j);
  if (rc == -1)
    return complain_again (&err);
  if (a->json)
    out_text (json);
  else
    print_map (json, file);
  qimport_free (json);
  return 0;
}
