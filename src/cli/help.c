/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * help: see help.h.  Every option comes from option_at, so that what is parsed is what is told.
 */
#include "cli/help.h"

#include <qimport.h>
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/output.h"

enum { MARGIN = 32, WIDTH = 79 };

/* At most 24 lines of 80 columns. */
static void
print_overview (void)
{
  const struct command *c;
  char call[64];
  size_t i;

  out ("Usage: qimport COMMAND [OPTIONS] ...\n"
       "Imports qcow2 disk images over networks that break.\n\n");
  for (i = 0; (c = command_at (i)) != NULL; i++) {
    snprintf (call, sizeof call, "%s %s", c->name, c->words);
    out ("  %-25s %s\n", call, c->summary);
  }
  out ("\nURL: http, https, file, a path, - for standard input, or fd:N.\n"
       "ID:  the import's UUID, a prefix of it (4 characters or more), or its target.\n"
       "Every command takes --journal PATH, -q/--quiet, -v/--verbose, --help, --version.\n"
       "Exit status: 0 done, 2 usage, 3 interrupted (resume goes on), 4 source refused,\n"
       "5 image refused, 6 target refused, 7 journal refused, 8 audit found differences.\n"
       "\nAll options of a command: qimport help COMMAND.  The manual: man qimport.\n");
}

/* "  -q, --quiet", "      --memory BYTES", "  -o FILE" */
static void
option_head (char *text, size_t size, const struct option *o)
{
  const char *gap = o->argument == NULL ? "" : " ";
  const char *argument = o->argument == NULL ? "" : o->argument;

  if (o->name == NULL)
    snprintf (text, size, "  -%c%s%s", o->letter, gap, argument);
  else if (o->letter != 0)
    snprintf (text, size, "  -%c, --%s%s%s", o->letter, o->name, gap, argument);
  else
    snprintf (text, size, "      --%s%s%s", o->name, gap, argument);
}

/* TEXT word by word from column AT on, the next lines from MARGIN. */
static void
print_wrapped (const char *text, size_t at)
{
  if (at >= MARGIN) {
    out ("\n");
    at = 0;
  }
  out ("%*s", (int)(MARGIN - at), "");
  at = MARGIN;
  while (*text != '\0') {
    size_t n = strcspn (text, " ");

    if (at > MARGIN && at + 1 + n > WIDTH) {
      out ("\n%*s", MARGIN, "");
      at = MARGIN;
    }
    at += (size_t)(at > MARGIN) + n;
    out ("%s%.*s", at > MARGIN + n ? " " : "", (int)n, text);
    text += n + strspn (text + n, " ");
  }
  out ("\n");
}

static void
print_option (const struct option *o)
{
  char head[128], help[512];

  option_head (head, sizeof head, o);
  out ("%s", head);
  snprintf (help, sizeof help, "%s%s%s%s%s", o->help, o->repeats ? "; may be repeated" : "",
            o->fallback == NULL ? "" : " (default ", o->fallback == NULL ? "" : o->fallback,
            o->fallback == NULL ? "" : ")");
  print_wrapped (help, strlen (head));
}

static void
print_command (const struct command *c)
{
  struct option o;
  size_t i;

  out ("qimport %s%s %s\n  %s\n", c->name, option_at (c, 0, &o) ? " [OPTIONS]" : "", c->words,
       c->summary);
  if (c->details[0] != '\0')
    out ("\n%s", c->details);
  for (i = 0; option_at (c, i, &o); i++) {
    if (i == 0)
      out ("\nOptions:\n");
    print_option (&o);
  }
  out ("\nOf every command:\n");
  for (i = 0; global_option_at (i, &o); i++)
    print_option (&o);
}

void
print_help (const struct command *c)
{
  if (c == NULL || strcmp (c->name, "help") == 0)
    print_overview ();
  else
    print_command (c);
}

void
print_version (void)
{
#ifdef HAVE_LIBNBD
  const char *nbd = "NBD exports";
#else
  const char *nbd = "no NBD exports";
#endif

  out ("qimport %s\nunpacks: %s\ntargets: files, block devices, %s\n", qimport_version (),
       qimport_built_in (), nbd);
}

int
run_help (const struct arguments *a)
{
  const struct command *c = NULL;

  if (a->n_words == 1) {
    c = command_find (a->words[0]);
    if (c == NULL)
      return usage_error (NULL, "unknown command '%s'", a->words[0]);
  }
  print_help (c);
  return 0;
}
