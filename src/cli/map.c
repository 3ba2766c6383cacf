/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map: qimport map, of an image or of an import.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/imports.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/secret.h"

struct printer {
  const char *file;
  bool any;
};

static const char *
truth (unsigned flags, enum qimport_extent_flag flag)
{
  return flags & flag ? "true" : "false";
}

static int
print_object (void *ctx, const struct qimport_extent *e)
{
  struct printer *p = ctx;

  out ("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, ",
       p->any ? ",\n" : "[", e->start, e->length, e->depth);
  out ("\"present\": %s, \"zero\": %s, \"data\": %s, \"compressed\": %s",
       truth (e->flags, QIMPORT_PRESENT), truth (e->flags, QIMPORT_ZERO),
       truth (e->flags, QIMPORT_DATA), truth (e->flags, QIMPORT_COMPRESSED));
  if (e->flags & QIMPORT_OFFSET)
    out (", \"offset\": %" PRIu64, e->offset);
  out ("}");
  p->any = true;
  return 0;
}

static void
print_head (struct printer *p)
{
  if (!p->any)
    out ("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
  p->any = true;
}

/* As qemu-img: what reads as zeros is not shown. */
static int
print_row (void *ctx, const struct qimport_extent *e)
{
  struct printer *p = ctx;

  print_head (p);
  if (e->flags == 0 && e->length > 0) {
    out ("%#-16" PRIx64 "%#-16" PRIx64 "%-16sa backing file that was not given\n", e->start,
         e->length, "unknown");
    return 0;
  }
  if (!(e->flags & QIMPORT_DATA))
    return 0;
  out ("%#-16" PRIx64 "%#-16" PRIx64, e->start, e->length);
  if (e->flags & QIMPORT_OFFSET)
    out ("%#-16" PRIx64, e->offset);
  else
    out ("%-16s", "compressed");
  if (e->depth == 0)
    out ("%s\n", p->file);
  else
    out ("backing file %u\n", e->depth);
  return 0;
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
  return strstr (word, "://") != NULL || url_descriptor (word, NULL);
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

/* WORD is the address or the file of an image. */
static int
map_image (const struct arguments *a, const char *word,
           int (*print) (void *, const struct qimport_extent *), struct printer *p,
           struct qimport_error *err)
{
  struct patience patience;
  int rc;

  patience_begin (&patience, a->quiet ? NULL : p->file);
  rc = qimport_map (word, a->options, print, p, err);
  patience_end (&patience);
  return rc;
}

int
run_map (const struct arguments *a)
{
  int (*print) (void *, const struct qimport_extent *) = a->json ? print_object : print_row;
  char file[sizeof ((struct qimport_info *)NULL)->url], clean[4 * sizeof file];
  struct qimport_info info = { .id = "" };
  struct printer p = { .file = clean };
  struct qimport_journal *j = NULL;
  const char *word = a->words[0];
  struct qimport_error err;
  int rc;

  if (find_import (a, word, &j, &info)) {
    clean_text (clean, sizeof clean, info.url);
    rc = qimport_map_import (j, info.id, print, &p, &err);
  } else if (!is_address (word) && access (word, F_OK) == -1) {
    qimport_journal_close (j);
    message ("%s is no import of this journal, and no file; qimport status lists the imports",
             word);
    return QIMPORT_JOURNAL;
  } else {
    redact_word (file, sizeof file, word);
    clean_text (clean, sizeof clean, file);
    rc = map_image (a, word, print, &p, &err);
  }
  qimport_journal_close (j);
  if (rc == -1)
    return complain_again (&err);
  if (!a->json)
    print_head (&p);
  else
    out (p.any ? "]\n" : "[]\n");
  return 0;
}
