/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * memo: see memo.h.
 */
#include "import/memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "base/url.h"

enum { SHOWN_MAX = 4096 };

bool
memo_has_secret (const char *url)
{
  return url_has_secret (url) || (strstr (url, "://") == NULL && strchr (url, '@') != NULL);
}

/* URL without what is secret of it; a proxy has no scheme where nobody wrote one. */
static char *
without_secret (char out[SHOWN_MAX], const char *url)
{
  const char *at = strrchr (url, '@');

  if (strstr (url, "://") != NULL || at == NULL)
    return redact_url (out, SHOWN_MAX, url);
  return escape_text (out, SHOWN_MAX, at + 1, strlen (at + 1));
}

void
memo_line (FILE *out, const char *name, const char *value)
{
  size_t size = 4 * strlen (value) + 8;
  OWN_MEM char *text = malloc (size);

  if (text == NULL)
    return;
  fprintf (out, "%s=%s\n", name, escape_text (text, size, value, strlen (value)));
}

void
memo_save (FILE *out, const struct qimport_options *o)
{
  const struct option_memo *memo = &o->memo;
  char shown[SHOWN_MAX];
  unsigned k;

  for (k = 0; k <= OPTION_LIST_MAX; k++)
    if (memo->url_mark[k] != NULL)
      fprintf (out, "url-mark=%u:%s\n", k, memo->url_mark[k]);
  for (k = 0; o->mirror.item[k] != NULL; k++)
    if (memo_has_secret (o->mirror.item[k]))
      fprintf (out, "mirror-had-secret=%s\n", without_secret (shown, o->mirror.item[k]));
  for (k = 0; memo->mirror.item[k] != NULL; k++)
    fprintf (out, "mirror-had-secret=%s\n", memo->mirror.item[k]);
  if (o->proxy != NULL && memo_has_secret (o->proxy))
    fprintf (out, "proxy-had-secret=%s\n", without_secret (shown, o->proxy));
  else if (memo->proxy != NULL)
    fprintf (out, "proxy-had-secret=%s\n", memo->proxy);
  if (memo->tables != NULL)
    fprintf (out, "tables=%s\n", memo->tables);
  if (memo->promises_void)
    fprintf (out, "promises-void=\n");
}

static int
keep (char **field, const char *value, struct error *err)
{
  char *copy = strdup (value);

  if (copy == NULL)
    return fail_memory (err, "the options");
  free (*field);
  *field = copy;
  return 0;
}

static int
recall_mark (struct option_memo *memo, const char *value, struct error *err)
{
  char *mark;
  unsigned long k = strtoul (value, &mark, 10);

  if (*mark != ':' || k > OPTION_LIST_MAX)
    return 0;
  return keep (&memo->url_mark[k], mark + 1, err);
}

static int
recall_mirror (struct option_memo *memo, const char *value, struct error *err)
{
  unsigned k = 0;

  while (k < OPTION_LIST_MAX && memo->mirror.item[k] != NULL)
    k++;
  return k == OPTION_LIST_MAX ? 0 : keep (&memo->mirror.item[k], value, err);
}

int
memo_recall (struct qimport_options *o, const char *name, const char *value, bool mirrors_anew,
             struct error *err)
{
  struct option_memo *memo = &o->memo;

  if (strcmp (name, "url-mark") == 0)
    return recall_mark (memo, value, err);
  if (strcmp (name, "tables") == 0)
    return keep (&memo->tables, value, err);
  if (strcmp (name, "promises-void") == 0)
    memo->promises_void = true;
  if (strcmp (name, "mirror-had-secret") == 0 && !mirrors_anew)
    return recall_mirror (memo, value, err);
  if (strcmp (name, "proxy-had-secret") == 0 && o->proxy == NULL)
    return keep (&memo->proxy, value, err);
  return 0;
}

int
memo_mark_url (struct option_memo *memo, unsigned k, const char *url, struct error *err)
{
  char mark[URL_MARK_SIZE];

  free (memo->url_mark[k]);
  memo->url_mark[k] = NULL;
  if (!url_has_secret (url) || url_mark (mark, url)[0] == '\0')
    return 0;
  return keep (&memo->url_mark[k], mark, err);
}

int
memo_tables (struct option_memo *memo, const char *digest, struct error *err)
{
  return keep (&memo->tables, digest, err);
}

void
memo_release (struct option_memo *memo)
{
  unsigned k;

  for (k = 0; k <= OPTION_LIST_MAX; k++) {
    free (memo->url_mark[k]);
    free (memo->mirror.item[k]);
  }
  free (memo->proxy);
  free (memo->tables);
}
