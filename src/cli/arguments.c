/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * arguments: see arguments.h.  It knows no option by name: the rows come from commands.h, the
 * values of most are checked by the library.
 */
#include "cli/arguments.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/near.h"
#include "cli/output.h"
#include "cli/secret.h"

/* One walk over argv. */
struct walk {
  char **argv;
  int argc, at;
};

static const char *
command_name (const struct arguments *a)
{
  return a->command == NULL ? NULL : a->command->name;
}

/* Option I of C (may be NULL): its own first, then the global ones. */
static bool
any_option_at (const struct command *c, size_t i, struct option *o)
{
  size_t own = 0;

  if (c != NULL) {
    while (option_at (c, own, o)) {
      if (own == i)
        return true;
      own++;
    }
  }
  return global_option_at (i - own, o);
}

static bool
find_long (const struct command *c, const char *name, size_t len, struct option *o)
{
  size_t i;

  for (i = 0; any_option_at (c, i, o); i++)
    if (o->name != NULL && strlen (o->name) == len && strncmp (o->name, name, len) == 0)
      return true;
  return false;
}

static bool
find_letter (const struct command *c, char letter, struct option *o)
{
  size_t i;

  for (i = 0; any_option_at (c, i, o); i++)
    if (o->letter == letter)
      return true;
  return false;
}

static int
unknown_option (const struct arguments *a, const char *name, size_t len)
{
  char typed[64];
  struct option o;
  struct near n;
  size_t i;

  if (len >= sizeof typed)
    len = sizeof typed - 1;
  memcpy (typed, name, len);
  typed[len] = '\0';
  near_begin (&n, typed);
  for (i = 0; any_option_at (a->command, i, &o); i++)
    if (o.name != NULL)
      near_try (&n, o.name);
  if (n.best != NULL)
    return usage_error (command_name (a), "unknown option --%s (did you mean --%s?)", typed,
                        n.best);
  return usage_error (command_name (a), "unknown option --%s", typed);
}

/* What other programs call it. */
static const char *
other_word (const char *word)
{
  static const char *const words[][2]
      = { { "ls", "status" },    { "list", "status" },       { "ps", "status" },
          { "rm", "forget" },    { "remove", "forget" },     { "delete", "forget" },
          { "import", "start" }, { "download", "start" },    { "get", "start" },
          { "fetch", "start" },  { "continue", "resume" },   { "verify", "audit" },
          { "check", "audit" },  { "version", "--version" }, { "cancel", NULL },
          { "stop", NULL },      { "abort", NULL },          { "pause", NULL },
          { "kill", NULL } };
  size_t i;

  for (i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp (word, words[i][0]) == 0)
      return words[i][1] != NULL ? words[i][1]
                                 : "Ctrl-C, or kill the process: what is committed is safe";
  return NULL;
}

static int
unknown_command (const char *word)
{
  const char *other = other_word (word);
  char shown[256];
  struct near n;
  size_t i;

  if (other != NULL)
    return usage_error (NULL, "unknown command '%s' (for that: %s)", word, other);
  near_begin (&n, word);
  for (i = 0; command_at (i) != NULL; i++)
    near_try (&n, command_at (i)->name);
  redact_word (shown, sizeof shown, word);
  if (n.best != NULL)
    return usage_error (NULL, "unknown command '%s' (did you mean %s?)", shown, n.best);
  return usage_error (NULL, "unknown command '%s'", shown);
}

static int
set_progress (struct arguments *a, const char *value)
{
  static const char *const words[] = { [PROGRESS_AUTO] = "auto",
                                       [PROGRESS_BAR] = "bar",
                                       [PROGRESS_PLAIN] = "plain",
                                       [PROGRESS_JSON] = "json",
                                       [PROGRESS_NONE] = "none" };
  size_t i;

  for (i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp (value, words[i]) == 0) {
      a->progress = (enum progress_style)i;
      return 0;
    }
  return usage_error (command_name (a), "--progress: must be auto, bar, plain, json or none");
}

static int
set_jobs (struct arguments *a, const char *value)
{
  char *end;
  unsigned long n = strtoul (value, &end, 10);

  if (!isdigit ((unsigned char)value[0]) || *end != '\0' || n < 1 || n > JOBS_MAX)
    return usage_error (command_name (a), "--jobs: give a number from 1 to %d", JOBS_MAX);
  a->jobs = n;
  return 0;
}

static int
set_older_than (struct arguments *a, const char *value)
{
  char *end;
  double days = strtod (value, &end);

  if (strcmp (end, "h") == 0)
    days /= 24;
  if (!isdigit ((unsigned char)value[0]) || end[strspn (end, "dh")] != '\0' || strlen (end) > 1
      || !(days <= 1e6))
    return usage_error (command_name (a),
                        "--older-than: give a number of days, or of hours as 12h");
  a->older_than_days = days;
  return 0;
}

static int
set_text (const struct arguments *a, const char **field, const struct option *o,
          const char *value)
{
  if (value[0] == '\0')
    return usage_error (command_name (a), "%s%s: an empty %s", o->name == NULL ? "-" : "--",
                        o->name == NULL ? (char[]){ o->letter, '\0' } : o->name, o->argument);
  *field = value;
  return 0;
}

/* A copy: the arguments of the process are overwritten once they are read. */
static int
keep_given (struct arguments *a, const char *name, const char *value)
{
  struct given *given = reallocarray (a->given, a->n_given + 1, sizeof *given);

  if (given == NULL)
    return out_of_memory ();
  a->given = given;
  given[a->n_given] = (struct given){ .name = name };
  if (value != NULL && (given[a->n_given].value = strdup (value)) == NULL)
    return out_of_memory ();
  a->n_given++;
  return 0;
}

static int
set_library (struct arguments *a, const struct option *o, const char *value)
{
  struct qimport_error err;

  if (qimport_options_set (a->options, o->name, value, &err) == -1)
    return usage_error (command_name (a), "%s", err.message);
  return keep_given (a, o->name, value);
}

/* VALUE is there if and only if the option takes one. */
static int
apply (struct arguments *a, const struct option *o, const char *value)
{
  switch (o->use) {
  case USE_LIBRARY:
    return set_library (a, o, value);
  case USE_JOURNAL:
    return set_text (a, &a->journal, o, value);
  case USE_OUTPUT:
    return set_text (a, &a->output, o, value);
  case USE_LIST:
    return set_text (a, &a->list, o, value);
  case USE_PROGRESS:
    return set_progress (a, value);
  case USE_JOBS:
    return set_jobs (a, value);
  case USE_OLDER_THAN:
    return set_older_than (a, value);
  case USE_QUIET:
    a->quiet = true;
    return 0;
  case USE_VERBOSE:
    a->verbose = true;
    return 0;
  case USE_HELP:
    a->help = true;
    return 0;
  case USE_VERSION:
    a->version = true;
    return 0;
  case USE_JSON:
    a->json = true;
    return 0;
  case USE_WATCH:
    a->watch = true;
    return 0;
  case USE_PROMETHEUS:
    a->prometheus = true;
    return 0;
  case USE_ALL:
    a->all = true;
    return 0;
  }
  return 0;
}

/* --name, --name=value, --name value */
static int
take_long (struct arguments *a, struct walk *w)
{
  const char *name = w->argv[w->at] + 2, *value = NULL;
  size_t len = strcspn (name, "=");
  struct option o;

  if (!find_long (a->command, name, len, &o))
    return unknown_option (a, name, len);
  if (name[len] == '=')
    value = name + len + 1;
  if (o.argument == NULL && value != NULL)
    return usage_error (command_name (a), "--%s takes no value", o.name);
  if (o.argument != NULL && value == NULL) {
    if (w->at + 1 == w->argc)
      return usage_error (command_name (a), "--%s needs a value: %s", o.name, o.argument);
    value = w->argv[++w->at];
  }
  return apply (a, &o, value);
}

/* -qv, -o FILE, -oFILE */
static int
take_letters (struct arguments *a, struct walk *w)
{
  const char *p = w->argv[w->at] + 1;
  struct option o;
  int status;

  for (; *p != '\0'; p++) {
    if (!find_letter (a->command, *p, &o))
      return usage_error (command_name (a), "unknown option -%c", *p);
    if (o.argument != NULL) {
      if (p[1] != '\0')
        return apply (a, &o, p + 1);
      if (w->at + 1 == w->argc)
        return usage_error (command_name (a), "-%c needs a value: %s", *p, o.argument);
      return apply (a, &o, w->argv[++w->at]);
    }
    status = apply (a, &o, NULL);
    if (status != 0)
      return status;
  }
  return 0;
}

static int
take_word (struct arguments *a, char *word)
{
  if (a->command != NULL) {
    a->words[a->n_words++] = word;
    return 0;
  }
  a->command = command_find (word);
  return a->command == NULL ? unknown_command (word) : 0;
}

static int
check_words (const struct arguments *a)
{
  const struct command *c = a->command;
  char shown[256];

  if (a->help || a->version)
    return 0;
  if (c == NULL)
    return usage_error (NULL, "no command");
  if (a->n_words > c->most)
    return usage_error (c->name, "one word too many: '%s'",
                        redact_word (shown, sizeof shown, a->words[c->most]));
  if (a->n_words < c->least)
    return usage_error (c->name, "needs %s", c->words);
  return 0;
}

/* The options mean what the command says, so that it must be known before they are read. */
static const struct command *
first_command (const struct walk *w)
{
  struct option o;
  int i;

  for (i = 1; i < w->argc; i++) {
    const char *word = w->argv[i];

    if (word[0] != '-' || word[1] == '\0')
      return command_find (word);
    if (word[1] == '-' && find_long (NULL, word + 2, strlen (word + 2), &o) && o.argument)
      i++;
  }
  return NULL;
}

static int
take_all (struct arguments *a, struct walk *w)
{
  const struct command *command = first_command (w);
  bool options_end = false, seen_command = false;
  int status = 0;

  for (w->at = 1; w->at < w->argc && status == 0; w->at++) {
    char *word = w->argv[w->at];

    if (options_end || word[0] != '-' || word[1] == '\0') {
      if (!seen_command)
        a->command = NULL;
      seen_command = true;
      status = take_word (a, word);
      continue;
    }
    if (!seen_command)
      a->command = command;
    if (strcmp (word, "--") == 0)
      options_end = true;
    else
      status = word[1] == '-' ? take_long (a, w) : take_letters (a, w);
  }
  if (!seen_command)
    a->command = NULL;
  return status;
}

int
arguments_parse (struct arguments *a, int argc, char **argv)
{
  struct walk w = { argv, argc, 1 };
  int status;

  *a = (struct arguments){ .jobs = 1, .older_than_days = -1 };
  a->words = calloc ((size_t)argc + 1, sizeof *a->words);
  a->options = qimport_options_new ();
  if (a->words == NULL || a->options == NULL)
    return out_of_memory ();
  status = take_all (a, &w);
  return status != 0 ? status : check_words (a);
}

void
arguments_release (struct arguments *a)
{
  size_t i;

  for (i = 0; i < a->n_given; i++)
    free (a->given[i].value);
  free (a->given);
  qimport_options_free (a->options);
  free (a->words);
}

/* ---- Options of a line ---------------------------------------------------------------------
 */

/* The option that WORD names; *VALUE behind its "=", or of *SAVE, where it takes one.  0, or
 * -1. */
static int
line_option (const struct arguments *a, char *word, char **save, struct option *o,
             const char **value, char *why, size_t size)
{
  char *name = word + 2, *equals = strchr (word, '=');
  size_t len = equals != NULL ? (size_t)(equals - name) : strlen (name);

  if (strncmp (word, "--", 2) != 0 || !find_long (a->command, name, len, o)
      || o->use != USE_LIBRARY) {
    snprintf (why, size, "'%.64s' is no option that a line can have", word);
    return -1;
  }
  *value = NULL;
  if (o->argument != NULL)
    *value = equals != NULL ? equals + 1 : strtok_r (NULL, " \t", save);
  if ((o->argument != NULL) == (*value != NULL) && (o->argument != NULL || equals == NULL))
    return 0;
  snprintf (why, size, o->argument == NULL ? "--%s takes no value" : "--%s needs a value",
            o->name);
  return -1;
}

static int
set_given (struct qimport_options *o, const char *name, const char *value, char *why,
           size_t size)
{
  struct qimport_error err;

  if (qimport_options_set (o, name, value, &err) == 0)
    return 0;
  snprintf (why, size, "%s", err.message);
  return -1;
}

struct qimport_options *
arguments_and (const struct arguments *a, char *text, char *why, size_t size)
{
  struct qimport_options *all = qimport_options_new ();
  char *save = NULL, *word;
  const char *value;
  struct option o;
  int rc = all == NULL ? -1 : 0;
  size_t i;

  snprintf (why, size, "out of memory");
  for (i = 0; i < a->n_given && rc == 0; i++)
    rc = set_given (all, a->given[i].name, a->given[i].value, why, size);
  for (word = strtok_r (text, " \t", &save); word != NULL && rc == 0;
       word = strtok_r (NULL, " \t", &save)) {
    rc = line_option (a, word, &save, &o, &value, why, size);
    if (rc == 0)
      rc = set_given (all, o.name, value, why, size);
  }
  if (rc == 0)
    return all;
  qimport_options_free (all);
  return NULL;
}
