/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * options_lines: options as the journal remembers them, NAME=VALUE lines, and whether those
 * that are given again say the same.  Writes no secret (J8).
 */
#include "import/options_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "import/memo.h"

/* ---- The journal's lines ------------------------------------------------------------------
 */

/* The I-th word of its argument. */
static void
save_word (FILE *out, const struct option_row *row, uint64_t i)
{
  const char *word = row->info.argument;

  for (; i > 0; i--)
    word += strcspn (word, "|") + 1;
  fprintf (out, "%s=%.*s\n", row->info.name, (int)strcspn (word, "|"), word);
}

/* One NAME=VALUE line for each value; what has a secret is left to the memo (J8). */
static void
save_lines (FILE *out, const struct option_row *row, const void *field)
{
  const char *name = row->info.name;
  size_t first = row->info.argument == NULL ? 0 : strcspn (row->info.argument, "|");
  int k;

  switch (row->type) {
  case TYPE_SWITCH:
    fprintf (out, "%s=\n", name);
    break;
  case TYPE_COUNT:
  case TYPE_SIZE:
  case TYPE_SECONDS:
    fprintf (out, "%s=%llu\n", name, (unsigned long long)*(const uint64_t *)field);
    break;
  case TYPE_MS:
    fprintf (out, "%s=%g\n", name, (double)*(const uint64_t *)field / 1000);
    break;
  case TYPE_TEXT:
  case TYPE_FILE:
  case TYPE_CHECKSUM:
  case TYPE_SHA256:
    memo_line (out, name, *(char *const *)field);
    break;
  case TYPE_URL:
    if (!memo_has_secret (*(char *const *)field))
      memo_line (out, name, *(char *const *)field);
    break;
  case TYPE_WORD:
    save_word (out, row, *(const uint64_t *)field);
    break;
  case TYPE_CHOICE:
    if (*(const bool *)field == (row->least == 0))
      fprintf (out, "%s=%s\n", name, row->info.argument + first + 1);
    else
      fprintf (out, "%s=%.*s\n", name, (int)first, row->info.argument);
    break;
  case TYPE_LIST:
    for (k = 0; ((const struct option_list *)field)->item[k] != NULL; k++)
      if (!memo_has_secret (((const struct option_list *)field)->item[k]))
        memo_line (out, name, ((const struct option_list *)field)->item[k]);
    break;
  }
}

static bool
is_remembered (const struct option_row *row)
{
  return row->hold == HOLDS_DEFINES || row->hold == HOLDS_PROMISES
         || row->hold == HOLDS_CHANGES;
}

int
options_save (const struct qimport_options *o, char *text, size_t size, struct error *err)
{
  OWN_MEM char *lines = NULL;
  size_t len = 0;
  FILE *out = open_memstream (&lines, &len);
  const struct option_row *row;
  int i;

  if (out == NULL)
    return fail_memory (err, "the options");
  for (i = 0; (row = option_row_at (i)) != NULL; i++)
    if (is_remembered (row) && (o->set >> i & 1))
      save_lines (out, row, option_field (o, row));
  memo_save (out, o);
  if (fclose (out) != 0)
    return fail_memory (err, "the options");
  if (len >= size)
    return fail (err, ERR_USAGE, "the options are too long to be remembered (%zu bytes)", len);
  memcpy (text, lines, len + 1);
  return 0;
}

enum recall { RECALL_ALL, RECALL_DEFINING };

static int
recall_value (struct qimport_options *o, int i, char *value, struct error *err)
{
  const struct option_row *row = option_row_at (i);

  if (row->type == TYPE_SWITCH)
    return options_set (o, row->info.name, *value == '\0' ? NULL : value, err);
  return options_set (o, row->info.name, unescape_text (value), err);
}

/* One line, split. */
static int
recall_line (struct qimport_options *o, const char *name, char *value, uint64_t given,
             bool mirrors_anew, enum recall which, struct error *err)
{
  int i = option_row_find (name);

  if (which == RECALL_DEFINING && (i == -1 || option_row_at (i)->hold != HOLDS_DEFINES))
    return 0;
  if (i == -1)
    return memo_recall (o, name, value, mirrors_anew, err);
  if ((given & (UINT64_C (1) << option_kept_as (i) | option_voids (i))) != 0)
    return 0;
  return recall_value (o, i, value, err);
}

static int
recall_lines (struct qimport_options *o, const char *text, enum recall which, struct error *err)
{
  OWN_MEM char *lines = strdup (text);
  uint64_t given = o->set;
  bool mirrors_anew = o->mirror.item[0] != NULL;
  char *save = NULL, *line;

  if (lines == NULL)
    return fail_memory (err, "the options");
  for (line = strtok_r (lines, "\n", &save); line != NULL;
       line = strtok_r (NULL, "\n", &save)) {
    char *value = strchr (line, '=');

    if (value == NULL)
      return fail (err, ERR_JOURNAL_CORRUPT, "an option in the journal has no value: %s", line);
    *value++ = '\0';
    if (recall_line (o, line, value, given, mirrors_anew, which, err) == -1)
      return -1;
  }
  return 0;
}

int
options_recall (struct qimport_options *o, const char *text, struct error *err)
{
  return recall_lines (o, text, RECALL_ALL, err);
}

int
options_recall_defining (struct qimport_options *o, const char *text, struct error *err)
{
  return recall_lines (o, text, RECALL_DEFINING, err);
}

/* ---- What an import is ---------------------------------------------------------------------
 */

static bool
same_value (const struct option_row *row, const void *a, const void *b)
{
  const char *one, *other;

  switch (row->type) {
  case TYPE_SWITCH:
  case TYPE_CHOICE:
    return *(const bool *)a == *(const bool *)b;
  case TYPE_COUNT:
  case TYPE_SIZE:
  case TYPE_SECONDS:
  case TYPE_MS:
  case TYPE_WORD:
    return *(const uint64_t *)a == *(const uint64_t *)b;
  case TYPE_TEXT:
  case TYPE_URL:
  case TYPE_FILE:
  case TYPE_CHECKSUM:
  case TYPE_SHA256:
    one = *(char *const *)a;
    other = *(char *const *)b;
    return one == other || (one != NULL && other != NULL && strcmp (one, other) == 0);
  case TYPE_LIST: /* of layers: same.c */
    return true;
  }
  return false;
}

static bool
is_none (const struct option_row *row, const void *field)
{
  switch (row->type) {
  case TYPE_SWITCH:
    return !*(const bool *)field;
  case TYPE_COUNT:
  case TYPE_SIZE:
  case TYPE_SECONDS:
  case TYPE_MS:
    return row->info.fallback == NULL && *(const uint64_t *)field == 0;
  case TYPE_TEXT:
  case TYPE_URL:
  case TYPE_FILE:
  case TYPE_CHECKSUM:
  case TYPE_SHA256:
    return *(char *const *)field == NULL;
  case TYPE_WORD:
  case TYPE_CHOICE:
  case TYPE_LIST:
    return false;
  }
  return false;
}

/* As it would be typed. */
static void
show_value (char out[OPTION_SHOWN], const struct option_row *row, const void *field)
{
  OWN_MEM char *line = NULL;
  size_t len = 0;
  FILE *memory = is_none (row, field) ? NULL : open_memstream (&line, &len);
  char *value;

  if (memory != NULL) {
    save_lines (memory, row, field);
    fclose (memory);
  }
  value = line == NULL ? NULL : strchr (line, '=');
  if (value == NULL) {
    snprintf (out, OPTION_SHOWN, "no --%s", row->info.name);
    return;
  }
  value[strcspn (value, "\n")] = '\0';
  snprintf (out, OPTION_SHOWN, "--%s%s%.256s", row->info.name, value[1] == '\0' ? "" : " ",
            value + 1);
}

bool
options_contradict (const struct qimport_options *o, const struct qimport_options *was,
                    bool promises, char given[OPTION_SHOWN], char began[OPTION_SHOWN])
{
  const struct option_row *row;
  int i;

#ifdef SEEDED_BUG_OPTION_TABLE_IGNORED
  return false;
#endif
  for (i = 0; (row = option_row_at (i)) != NULL; i++) {
    if (!(o->set >> i & 1)
        || (row->hold != HOLDS_DEFINES && !(promises && row->hold == HOLDS_PROMISES))
        || same_value (row, option_field (o, row), option_field (was, row)))
      continue;
    show_value (given, row, option_field (o, row));
    show_value (began, row, option_field (was, row));
    return true;
  }
  return false;
}
