/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * state: see state.h.
 */
#include "journal/state.h"

#include <string.h>

#include "journal/holder.h"
#include "journal/journal.h"

const char *
import_state_word (enum import_state s)
{
  static const char *const words[] = {
#define X(name, word) [IMPORT_##name] = word,
    IMPORT_STATES (X)
#undef X
  };

  return words[s];
}

/* shown_state (state, no, holder_pid, holder_start, holder_boot) */
static void
shown_state (sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  const struct sql *s = sqlite3_user_data (ctx);
  const char *state = (const char *)sqlite3_value_text (argv[0]);
  const char *boot = (const char *)sqlite3_value_text (argv[4]);
  struct held_by by = { .pid = sqlite3_value_int64 (argv[2]),
                        .start = sqlite3_value_int64 (argv[3]),
                        .boot = boot == NULL ? "" : boot };
  bool active = state != NULL && strcmp (state, import_state_word (IMPORT_FAILED)) != 0
                && strcmp (state, import_state_word (IMPORT_COMPLETE)) != 0;

  (void)argc;
  if (active && holder_of (sql_file (s), sqlite3_value_int64 (argv[1]), &by) == HELD_BY_NOBODY)
    sqlite3_result_text (ctx, import_state_word (IMPORT_INTERRUPTED), -1, SQLITE_STATIC);
  else
    sqlite3_result_value (ctx, argv[0]);
}

int
state_register (struct sql *s, struct error *err)
{
  if (sqlite3_create_function (s->db, "shown_state", 5, SQLITE_UTF8 | SQLITE_DIRECTONLY, s,
                               shown_state, NULL, NULL)
      != SQLITE_OK)
    return sql_fail (s, "cannot be prepared", err);
  return 0;
}
