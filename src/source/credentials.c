/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * credentials: reads the files that hold secrets (--header-file, --user-file, --bearer-file,
 * --proxy-user-file).
 * What stands in them is never shown (J8); of an error only file and line.
 */
#include "source/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum { SECRETS_MAX = 65536 };

static void
warn_loose (struct source *s, const char *path, const struct stat *st)
{
  char shown[SHOWN_MAX];

  if ((st->st_mode & 077) != 0)
    source_tell (s, "warning", "%s: others may read this file; chmod 600 it",
                 escape_text (shown, sizeof shown, path, strlen (path)));
}

/* All of PATH, with a NUL behind it.  A pipe (a shell's process substitution) will do. */
static int
read_secrets (struct source *s, const char *path, char **out, struct error *err)
{
  char shown[SHOWN_MAX];
  struct stat st;
  size_t n = 0;
  ssize_t r = 0;
  char *text = malloc (SECRETS_MAX + 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  escape_text (shown, sizeof shown, path, strlen (path));
  if (fd == -1 || text == NULL || fstat (fd, &st) == -1) {
    int saved = errno;

    if (fd != -1)
      close (fd);
    free (text);
    return fail_errno (err, ERR_USAGE, saved, "%s: cannot be read; name another, or mend this",
                       shown);
  }
  if (S_ISREG (st.st_mode))
    warn_loose (s, path, &st);
  while (n <= SECRETS_MAX && (r = read (fd, text + n, SECRETS_MAX + 1 - n)) > 0)
    n += (size_t)r;
  close (fd);
  if (r == -1 || n > SECRETS_MAX || memchr (text, '\0', n) != NULL) {
    explicit_bzero (text, n);
    free (text);
    return fail (err, ERR_USAGE, "%s: not a text file of at most 64 KiB", shown);
  }
  text[n] = '\0';
  *out = text;
  return 0;
}

static void
forget_secrets (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  free (text);
}

/* Control characters would start a header of their own (A8). */
static bool
has_control (const char *text)
{
  for (; *text != '\0'; text++) {
    if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
      return true;
  }
  return false;
}

static bool
is_header_line (const char *line)
{
  static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  size_t n = strspn (line, token);

  return n > 0 && line[n] == ':' && !has_control (line);
}

static int
add_header (struct credentials *c, const char *line, struct error *err)
{
  struct curl_slist *grown = curl_slist_append (c->headers, line);

  if (grown == NULL)
    return fail_memory (err, "a header");
  c->headers = grown;
  return 0;
}

/* Headers that are this room's own: another Range would ask for other bytes. */
static bool
is_reserved (const char *line)
{
  static const char *const names[]
      = { "Range:",          "If-Range:",           "Accept-Encoding:", "Host:",
          "Content-Length:", "Transfer-Encoding:",  "If-None-Match:",   "If-Modified-Since:",
          "If-Match:",       "If-Unmodified-Since:" };
  size_t i;

  for (i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strncasecmp (line, names[i], strlen (names[i])) == 0)
      return true;
  }
  return false;
}

static int
parse_headers (struct credentials *c, const char *path, char *text, struct error *err)
{
  char shown[SHOWN_MAX];
  unsigned number = 0;
  char *line;

  while ((line = strsep (&text, "\n")) != NULL) {
    size_t n = strlen (line);

    number++;
    if (n > 0 && line[n - 1] == '\r')
      line[--n] = '\0';
    if (n == 0)
      continue;
    escape_text (shown, sizeof shown, path, strlen (path));
    if (!is_header_line (line))
      return fail (err, ERR_USAGE, "%s: line %u is not \"Name: value\"", shown, number);
    if (is_reserved (line))
      return fail (err, ERR_USAGE, "%s: line %u sets a header that qimport sends itself", shown,
                   number);
    if (add_header (c, line, err) == -1)
      return -1;
  }
  return 0;
}

/* The first line, which must be the only one. */
static int
parse_line (const char *path, char *text, struct error *err)
{
  char shown[SHOWN_MAX];
  size_t n = strcspn (text, "\r\n");

  if (n == 0 || text[n + strspn (text + n, "\r\n")] != '\0') {
    escape_text (shown, sizeof shown, path, strlen (path));
    return fail (err, ERR_USAGE, "%s: one line is expected in it", shown);
  }
  text[n] = '\0';
  if (has_control (text)) {
    escape_text (shown, sizeof shown, path, strlen (path));
    return fail (err, ERR_USAGE, "%s: there is a control character in it", shown);
  }
  return 0;
}

static int
parse_user (struct credentials *c, const char *path, char *text, struct error *err)
{
  char shown[SHOWN_MAX];
  char *colon;

  if (parse_line (path, text, err) == -1)
    return -1;
  colon = strchr (text, ':');
  if (colon == NULL) {
    escape_text (shown, sizeof shown, path, strlen (path));
    return fail (err, ERR_USAGE, "%s: \"user:password\" is expected in it", shown);
  }
  c->user = strndup (text, (size_t)(colon - text));
  c->password = strdup (colon + 1);
  return c->user == NULL || c->password == NULL ? fail_memory (err, "a password") : 0;
}

static int
parse_bearer (struct credentials *c, const char *path, char *text, struct error *err)
{
  char *line = NULL;
  int r;

  if (parse_line (path, text, err) == -1)
    return -1;
  if (asprintf (&line, "Authorization: Bearer %s", text) == -1)
    return fail_memory (err, "a token");
  r = add_header (c, line, err);
  forget_secrets (line);
  return r;
}

static int
read_one (struct source *s, struct credentials *c, const char *path,
          int (*parse) (struct credentials *, const char *, char *, struct error *),
          struct error *err)
{
  char *text = NULL;
  int r;

  if (path == NULL)
    return 0;
  if (read_secrets (s, path, &text, err) == -1)
    return -1;
  r = parse (c, path, text, err);
  forget_secrets (text);
  return r;
}

int
credentials_read (struct source *s, struct error *err)
{
  struct credentials *c = &s->login.own;

  if (read_one (s, c, s->options.login.header_file, parse_headers, err) == -1
      || read_one (s, c, s->options.login.user_file, parse_user, err) == -1
      || read_one (s, c, s->options.login.bearer_file, parse_bearer, err) == -1)
    return -1;
  if (s->options.login.aws_sigv4 != NULL
      && add_header (c, "x-amz-content-sha256: UNSIGNED-PAYLOAD", err) == -1)
    return -1;
  return 0;
}

int
credentials_read_proxy (struct source *s, struct error *err)
{
  return read_one (s, &s->login.proxy, s->options.login.proxy_user_file, parse_user, err);
}

bool
credentials_read_again (struct source *s)
{
  struct credentials before = s->login.own;
  struct error ignored;

  if (s->options.login.header_file == NULL && s->options.login.user_file == NULL
      && s->options.login.bearer_file == NULL)
    return false;
  s->login.own = (struct credentials){ 0 };
  if (credentials_read (s, &ignored) == -1) {
    credentials_release (&s->login.own);
    s->login.own = before;
    return false;
  }
  credentials_release (&before);
  return true;
}

void
credentials_release (struct credentials *c)
{
  curl_slist_free_all (c->headers);
  free (c->user);
  forget_secrets (c->password);
  *c = (struct credentials){ 0 };
}
