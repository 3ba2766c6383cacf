/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * commands: see commands.h.
 */
#include "cli/commands.h"

#include <qimport.h>
#include <stdint.h>
#include <string.h>

enum {
  START = 1 << 0,
  RESUME = 1 << 1,
  ENSURE = 1 << 2,
  STATUS = 1 << 3,
  AUDIT = 1 << 4,
  RECEIPT = 1 << 5,
  REPORT = 1 << 6,
  LOG = 1 << 7,
  INFO = 1 << 8,
  MAP = 1 << 9,
  FORGET = 1 << 10,
  HELP = 1 << 11
};

static const struct command commands[] = {
  { "start", "URL TARGET...|-f FILE", "begin an import; in the foreground",
    "Imports the qcow2 image at URL and writes the disk in it to TARGET, a file or a\n"
    "block device.  A file is written as TARGET.qimport-part and renamed when it is\n"
    "complete.  Interrupted at any instant, it goes on with: qimport resume.\n"
    "URL is http, https, file, a plain path, - for standard input, or fd:N.\n"
    "Several targets, 8 at most, are written from one fetch; each is an import of its\n"
    "own, and one that fails does not stop the others.\n",
    START, QIMPORT_FOR_START, 0, 1 + QIMPORT_TARGETS_MAX, run_start },
  { "resume", "[ID...|--all]", "go on with interrupted imports",
    "Goes on from what is committed.  Options given at start hold, unless given anew.\n"
    "Without ID it takes the only interrupted import there is; when there are several\n"
    "it lists them and exits 2.  With several, each is tried, and the exit status is\n"
    "the first that is not 0.\n",
    RESUME, QIMPORT_FOR_RESUME, 0, SIZE_MAX, run_resume },
  { "ensure", "URL TARGET|-f FILE", "start it, resume it, or do nothing if complete",
    "Exits 0 when TARGET holds the image, whatever had to be done for it: for\n"
    "systemd, Ansible and Kubernetes Jobs.  Quiet when there was nothing to do.\n",
    ENSURE, QIMPORT_FOR_ENSURE, 0, 2, run_ensure },
  { "status", "[ID...]", "all imports, or these",
    "A line an import; with one ID everything that is known of it.\n", STATUS, 0, 0, SIZE_MAX,
    run_status },
  { "audit", "ID", "re-read the target and compare with the journal",
    "Exits 0 when the target is as it was imported, 8 when it differs.\n", AUDIT,
    QIMPORT_FOR_AUDIT, 1, 1, run_audit },
  { "receipt", "ID|--all", "a JSON document of what was imported",
    "What was imported, from where, when, how often it was interrupted, and with\n"
    "which digests.\n",
    RECEIPT, 0, 0, 1, run_receipt },
  { "report", "ID -o FILE.html", "the same for people, with pictures",
    "One self-contained HTML page.  FILE is replaced at once or not at all; - is\n"
    "standard output.\n",
    REPORT, 0, 1, 1, run_report },
  { "log", "ID", "the events of an import, oldest first", "", LOG, 0, 1, 1, run_log },
  { "info", "URL", "what the image is, from its metadata alone",
    "As qemu-img info tells it, and whether it can be imported, how much would have\n"
    "to be fetched, and in how many requests.  Nothing is written.\n",
    INFO, QIMPORT_FOR_INFO, 1, 1, run_info },
  { "map", "URL|ID", "guest extents, as qemu-img map shows them",
    "Where the bytes of the disk are stored in the image.  Without --json only what\n"
    "holds data is shown.\n",
    MAP, QIMPORT_FOR_INFO, 1, 1, run_map },
  { "forget", "ID...", "remove an import from the journal (the target stays)", "", FORGET, 0, 0,
    SIZE_MAX, run_forget },
  { "help", "[COMMAND]", "this, or all about a command", "", HELP, 0, 0, 1, run_help },
};

struct own_row {
  struct option option;
  unsigned commands;
};

/* clang-format off */
static const struct option globals[] = {
  { "journal", 0, "PATH", "the journal; else $QIMPORT_JOURNAL", NULL, false, USE_JOURNAL },
  { "quiet", 'q', NULL, "errors only", NULL, false, USE_QUIET },
  { "verbose", 'v', NULL, "also what it waits for, and what took how long", NULL, false,
    USE_VERBOSE },
  { "help", 'h', NULL, "help on the command", NULL, false, USE_HELP },
  { "version", 'V', NULL, "the version", NULL, false, USE_VERSION },
};

static const struct own_row own_rows[] = {
  { { "json", 0, NULL, "as JSON", NULL, false, USE_JSON }, STATUS | AUDIT | LOG | INFO | MAP },
  { { "watch", 0, NULL, "again every second, until no import is running", NULL, false,
      USE_WATCH }, STATUS },
  { { "prometheus", 0, NULL, "as metrics for Prometheus", NULL, false,
      USE_PROMETHEUS }, STATUS },
  { { "all", 0, NULL, "every interrupted import", NULL, false, USE_ALL }, RESUME },
  { { "all", 0, NULL, "every import, a line each", NULL, false, USE_ALL }, RECEIPT },
  { { NULL, 'f', "FILE", "a line URL TARGET [--option ...] for each; - is standard input", NULL, false,
      USE_LIST }, START | ENSURE },
  { { "jobs", 0, "N", "that many imports side by side", "1", false, USE_JOBS },
    START | ENSURE | RESUME },
  { { "progress", 0, "auto|bar|plain|json|none", "how it tells; auto: a bar on a terminal",
      "auto", false, USE_PROGRESS }, START | ENSURE | RESUME | AUDIT },
  { { NULL, 'o', "FILE", "where the page goes", NULL, false, USE_OUTPUT }, REPORT },
  { { "older-than", 0, "DAYS", "every import that was complete that long ago", NULL, false,
      USE_OLDER_THAN }, FORGET },
};
/* clang-format on */

#define COUNT(a) (sizeof (a) / sizeof *(a))

const struct command *
command_at (size_t i)
{
  return i < COUNT (commands) ? &commands[i] : NULL;
}

const struct command *
command_find (const char *name)
{
  size_t i;

  for (i = 0; i < COUNT (commands); i++)
    if (strcmp (commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

bool
global_option_at (size_t i, struct option *o)
{
  if (i >= COUNT (globals))
    return false;
  *o = globals[i];
  return true;
}

/* Those that have a letter too, as curl's. */
static char
letter_of (const char *name)
{
  return strcmp (name, "ipv4") == 0 ? '4' : strcmp (name, "ipv6") == 0 ? '6' : 0;
}

static bool
library_option_at (const struct command *c, size_t i, struct option *o)
{
  const struct qimport_option_info *info;
  size_t k;

  for (k = 0; (info = qimport_option_info (k)) != NULL; k++)
    if ((info->commands & c->library) != 0 && i-- == 0) {
      *o = (struct option){ info->name,     letter_of (info->name),
                            info->argument, info->help,
                            info->fallback, info->repeats != 0,
                            USE_LIBRARY };
      return true;
    }
  return false;
}

bool
option_at (const struct command *c, size_t i, struct option *o)
{
  size_t k;

  for (k = 0; k < COUNT (own_rows); k++)
    if ((own_rows[k].commands & c->bit) != 0 && i-- == 0) {
      *o = own_rows[k].option;
      return true;
    }
  return library_option_at (c, i, o);
}
