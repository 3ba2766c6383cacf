/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * secret: see secret.h.
 */
#include "cli/secret.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* AUTHORITY: what stands behind "://".  What is cut is zeroed, so that no byte of it stays. */
static void
redact_authority (char *authority)
{
  size_t len = strlen (authority), kept;
  char *at = memrchr (authority, '@', strcspn (authority, "/?#"));

  if (at != NULL)
    memmove (authority, at + 1, strlen (at + 1) + 1);
  kept = strcspn (authority, "?#");
  memset (authority + kept, 0, len - kept);
}

/* WORD without the userinfo, query and fragment of the URL in it, if there is one. */
static void
redact_in_place (char *word)
{
  char *scheme_end = strstr (word, "://");

  if (scheme_end != NULL)
    redact_authority (scheme_end + 3);
}

char *
redact_word (char *out, size_t size, const char *word)
{
  size_t n = strnlen (word, size - 1);

  memcpy (out, word, n);
  out[n] = '\0';
  redact_in_place (out);
  return out;
}

/* A proxy is often given as user:password@host, without a scheme. */
static void
redact_proxy (char *value)
{
  if (strstr (value, "://") == NULL)
    redact_authority (value);
}

static void
hide_arguments (int argc, char **argv)
{
  bool is_proxy = false;
  int i;

  for (i = 1; i < argc; i++) {
    redact_in_place (argv[i]);
    if (is_proxy)
      redact_proxy (argv[i]);
    else if (strncmp (argv[i], "--proxy=", 8) == 0)
      redact_proxy (argv[i] + 8);
    is_proxy = strcmp (argv[i], "--proxy") == 0;
  }
}

char **
secret_take_argv (int argc, char **argv)
{
  char **copy = calloc ((size_t)argc + 1, sizeof *copy);
  int i;

  if (copy == NULL)
    return NULL;
  for (i = 0; i < argc; i++) {
    copy[i] = strdup (argv[i]);
    if (copy[i] == NULL) {
      while (i > 0)
        free (copy[--i]);
      free (copy);
      return NULL;
    }
  }
  hide_arguments (argc, argv);
  return copy;
}
