/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * holder: see holder.h.  /proc is all that is read, and whether there is a lock.
 */
#include "journal/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "journal/import_lock.h"

static void
read_boot (char boot[40])
{
  FILE *f = fopen ("/proc/sys/kernel/random/boot_id", "re");

  boot[0] = '\0';
  if (f == NULL)
    return;
  if (fgets (boot, 40, f) == NULL)
    boot[0] = '\0';
  boot[strcspn (boot, "\n")] = '\0';
  fclose (f);
}

/* When process PID started, and whether it is more than a zombie.  False if there is none. */
static bool
read_start (int64_t pid, int64_t *start)
{
  char name[64], line[1024];
  char state = 'X';
  const char *p;
  FILE *f;
  size_t n;

  *start = 0;
  snprintf (name, sizeof name, "/proc/%" PRId64 "/stat", pid);
  f = fopen (name, "re");
  if (f == NULL)
    return false;
  n = fread (line, 1, sizeof line - 1, f);
  fclose (f);
  line[n] = '\0';
  p = strrchr (line, ')'); /* the name before it may hold anything */
  if (p == NULL
      || sscanf (p,
                 ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                 " %*s %" SCNd64,
                 &state, start)
             != 2)
    return false;
  return state != 'Z' && state != 'X';
}

/* The name of who runs this, or the number where it has none. */
static void
read_user (char *user, size_t size)
{
  char found[1024], number[24];
  struct passwd entry, *p = NULL;
  const char *name = number;

  snprintf (number, sizeof number, "%lu", (unsigned long)geteuid ());
  if (getpwuid_r (geteuid (), &entry, found, sizeof found, &p) == 0 && p != NULL)
    name = p->pw_name;
  escape_text (user, size, name, strlen (name));
}

void
holder_self (struct holder *h)
{
  char host[64] = "";

  memset (h, 0, sizeof *h);
  h->pid = getpid ();
  read_start (h->pid, &h->start);
  read_boot (h->boot);
  if (gethostname (host, sizeof host - 1) == -1)
    strcpy (host, "?");
  escape_text (h->host, sizeof h->host, host, strlen (host));
  read_user (h->user, sizeof h->user);
  snprintf (h->text, sizeof h->text, "pid %" PRId64 " on %s", h->pid, h->host);
}

static bool
lives (const struct held_by *by)
{
  char now[40];
  int64_t started;

  read_boot (now);
  if (strcmp (now, by->boot) != 0)
    return false;
  if (by->start == 0) /* it had no /proc to tell */
    return kill ((pid_t)by->pid, 0) == 0 || errno == EPERM;
  return read_start (by->pid, &started) && started == by->start;
}

/* Who takes the lock says so in the row, in one transaction: without a word there nobody has
 * it. */
enum held
holder_of (const char *path, int64_t no, const struct held_by *by)
{
  if (by->pid <= 0)
    return HELD_BY_NOBODY;
  switch (import_lock_look (path, no)) {
  case IMPORT_FREE:
    return HELD_BY_NOBODY;
  case IMPORT_LOCKED:
    return lives (by) ? HELD_BY_IT : HELD_ELSEWHERE;
  case IMPORT_UNSEEN:
    return lives (by) ? HELD_BY_IT : HELD_BY_NOBODY;
  }
  return HELD_BY_NOBODY;
}
