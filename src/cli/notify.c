/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * notify: see notify.h.  A datagram a message; no library is needed for that.
 */
#include "cli/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/output.h"

/* A sync of much data may take long, but not so long. */
#define EXTEND_USEC "600000000"

static const char *
socket_name (void)
{
  const char *name = getenv ("NOTIFY_SOCKET");

  return name != NULL && (name[0] == '/' || name[0] == '@') && name[1] != '\0' ? name : NULL;
}

bool
notify_listens (void)
{
  return socket_name () != NULL;
}

static void
send_text (const char *text)
{
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  const char *name = socket_name ();
  size_t len = name == NULL ? 0 : strlen (name);
  int fd;

  if (len == 0 || len >= sizeof to.sun_path)
    return;
  memcpy (to.sun_path, name, len);
  if (name[0] == '@')
    to.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1)
    return;
  if (sendto (fd, text, strlen (text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
              (socklen_t)(offsetof (struct sockaddr_un, sun_path) + len))
      == -1) {
    /* an import does not end because nobody listens */
  }
  close (fd);
}

void
notify (const char *fmt, ...)
{
  char text[2048];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  send_text (text);
}

void
notify_status (const char *text)
{
  char clean[1024];

  notify ("STATUS=%s", clean_text (clean, sizeof clean, text));
}

void
notify_alive (bool extend)
{
  const char *usec = getenv ("WATCHDOG_USEC"), *pid = getenv ("WATCHDOG_PID");
  bool watched = usec != NULL && (pid == NULL || strtol (pid, NULL, 10) == (long)getpid ());

  if (watched)
    notify ("WATCHDOG=1");
  if (extend)
    notify ("EXTEND_TIMEOUT_USEC=" EXTEND_USEC);
}
