/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * refusal: see refusal.h.
 */
#include "source/refusal.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { VALUE_MAX = 512, CODE_SIZE = 48, MESSAGE_SIZE = 120 };

struct span {
  const char *at, *end;
};

static const char *
find (struct span s, const char *word)
{
  return memmem (s.at, (size_t)(s.end - s.at), word, strlen (word));
}

/* ---- XML: the first <NAME> and what is in it ------------------------------------------------
 */

static char
entity (const char **p, const char *end)
{
  static const struct {
    const char *name;
    char c;
  } known[] = {
    { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }
  };
  size_t i;

  for (i = 0; i < sizeof known / sizeof *known; i++) {
    size_t n = strlen (known[i].name);

    if ((size_t)(end - *p) >= n && memcmp (*p, known[i].name, n) == 0) {
      *p += n - 1;
      return known[i].c;
    }
  }
  return **p;
}

static bool
element (struct span body, const char *open, char out[VALUE_MAX])
{
  const char *p = find (body, open);
  size_t n = 0;

  out[0] = '\0';
  if (p == NULL)
    return false;
  for (p += strlen (open); p < body.end && *p != '<' && n < VALUE_MAX - 1; p++)
    out[n++] = *p == '&' ? entity (&p, body.end) : *p;
  out[n] = '\0';
  return n > 0;
}

/* ---- JSON: the first "NAME" whose value is a text or a number -------------------------------
 */

static const char *
skip_blanks (const char *p, const char *end)
{
  while (p < end && strchr (" \t\r\n", *p) != NULL)
    p++;
  return p;
}

/* What stands behind the name that ends at P; false: neither a text nor a number. */
static bool
json_value (const char *p, const char *end, char out[VALUE_MAX])
{
  bool quoted;
  size_t n = 0;

  p = skip_blanks (p, end);
  if (p == end || *p != ':')
    return false;
  p = skip_blanks (p + 1, end);
  quoted = p < end && *p == '"';
  if (p == end || (!quoted && (*p < '0' || *p > '9')))
    return false;
  for (p += quoted; p < end && n < VALUE_MAX - 1; p++) {
    if (quoted ? *p == '"' : *p < '0' || *p > '9')
      break;
    if (*p == '\\' && p + 1 < end) {
      p++;
      out[n++] = strchr ("nrtbf", *p) != NULL ? ' ' : *p;
    } else
      out[n++] = *p;
  }
  out[n] = '\0';
  return n > 0;
}

static bool
member (struct span body, const char *quoted_name, char out[VALUE_MAX])
{
  struct span rest = body;
  const char *p;

  out[0] = '\0';
  while ((p = find (rest, quoted_name)) != NULL) {
    rest.at = p + strlen (quoted_name);
    if (json_value (rest.at, body.end, out))
      return true;
  }
  return false;
}

/* A word that says it, or "error" beside a message. */
static void
read_json (struct span body, char code[VALUE_MAX], char message[VALUE_MAX])
{
  static const char *const codes[] = { "\"code\"", "\"error\"", "\"reason\"" };
  static const char *const messages[]
      = { "\"message\"", "\"error_description\"", "\"detail\"", "\"msg\"" };
  size_t i;

  for (i = 0; i < sizeof codes / sizeof *codes && !member (body, codes[i], code); i++)
    ;
  for (i = 0; i < sizeof messages / sizeof *messages && !member (body, messages[i], message);
       i++)
    ;
}

/* ---- what it means -------------------------------------------------------------------------
 */

static enum refusal_kind
kind_of (const char *code, const char *message)
{
  static const struct {
    const char *code;
    enum refusal_kind kind;
  } known[] = {
    { "RequestTimeTooSkewed", REFUSAL_SKEWED },
    { "AuthorizationHeaderMalformed", REFUSAL_REGION },
    { "PermanentRedirect", REFUSAL_REGION },
    { "IllegalLocationConstraintException", REFUSAL_REGION },
    { "ExpiredToken", REFUSAL_EXPIRED },
    { "TokenRefreshRequired", REFUSAL_EXPIRED },
    { "InvalidObjectState", REFUSAL_ARCHIVED },
    { "BlobArchived", REFUSAL_ARCHIVED },
    { "BlobBeingRehydrated", REFUSAL_ARCHIVED },
    { "NoSuchKey", REFUSAL_GONE },
    { "NoSuchBucket", REFUSAL_GONE },
    { "BlobNotFound", REFUSAL_GONE },
    { "ContainerNotFound", REFUSAL_GONE },
    { "ResourceNotFound", REFUSAL_GONE },
    { "InvalidAccessKeyId", REFUSAL_KEY },
    { "SignatureDoesNotMatch", REFUSAL_KEY },
  };
  size_t i;

  if (strstr (message, "the region '") != NULL)
    return REFUSAL_REGION;
  for (i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp (code, known[i].code) == 0)
      return known[i].kind;
  /* "Request has expired", "The provided token has expired", "Signature not valid in the
   * specified time frame", "Signed expiry time ... has to be after" */
  if (strcasestr (message, "expired") != NULL || strstr (message, "expiry time") != NULL
      || strstr (message, "specified time frame") != NULL)
    return REFUSAL_EXPIRED;
  return REFUSAL_OTHER;
}

const char *
refusal_advice (enum refusal_kind kind)
{
  switch (kind) {
  case REFUSAL_OTHER:
    return NULL;
  case REFUSAL_SKEWED:
    return "the clock of this machine is wrong: set it (timedatectl), then give the command "
           "again";
  case REFUSAL_REGION:
    return "the bucket is in another region: name that one in the URL and in --aws-sigv4";
  case REFUSAL_EXPIRED:
    return "the signed link or the token is over: get a new one (resume: --url NEW)";
  case REFUSAL_KEY:
    return "check the key's id and secret in --user-file, and --aws-sigv4; or the signed link, "
           "of which nothing may be missing";
  case REFUSAL_ARCHIVED:
    return "it is archived: have the store bring it back first, then give the command again";
  case REFUSAL_GONE:
    return "check bucket and name in the URL (resume: --url NEW)";
  }
  return NULL;
}

/* TEXT, escaped and cut to SIZE, behind what is there. */
static void
add_words (struct refusal *r, const char *before, const char *text, size_t size)
{
  size_t n = strlen (r->words) + strlen (before), room = sizeof r->words - n;

  if (text[0] == '\0')
    return;
  strcat (r->words, before);
  escape_text (r->words + n, size < room ? size : room, text, strlen (text));
}

void
refusal_read (struct refusal *r, const char *body, size_t len)
{
  struct span all = { body, body + len };
  char code[VALUE_MAX], message[VALUE_MAX], more[VALUE_MAX];

  *r = (struct refusal){ REFUSAL_OTHER, "" };
  if (len == 0)
    return;
  if (element (all, "<Code>", code))
    element (all, "<Message>", message);
  else
    read_json (all, code, message);
  r->kind = kind_of (code, message);
  add_words (r, "", code, CODE_SIZE);
  add_words (r, code[0] != '\0' ? ": " : "", message, MESSAGE_SIZE);
  if (r->kind == REFUSAL_REGION && element (all, "<Endpoint>", more))
    add_words (r, " ", more, CODE_SIZE);
  if (r->kind == REFUSAL_OTHER && element (all, "<AuthenticationErrorDetail>", more))
    r->kind = kind_of (code, more);
}
