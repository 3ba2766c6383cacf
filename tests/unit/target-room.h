/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * target-room: what the tests of the target room share: a directory that goes when the test
 * ends, targets in it, and short words for what every test does.
 */
#ifndef TESTS_UNIT_TARGET_ROOM_H
#define TESTS_UNIT_TARGET_ROOM_H

#include "target/open_target.h" /* before cmocka.h, which has a macro named fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER_UUID "99999999-2222-3333-4444-555555555555"

static char room[256]; /* the directory of this test */
static struct error err;

__attribute__ ((format (printf, 1, 2), unused)) static int
sh (const char *fmt, ...)
{
  char command[4096];
  va_list ap;
  int status;

  va_start (ap, fmt);
  vsnprintf (command, sizeof command, fmt, ap);
  va_end (ap);
  status = system (command);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static inline int
enter_room (void **state)
{
  const char *tmp = getenv ("TMPDIR");

  (void)state;
  snprintf (room, sizeof room, "%s/target-XXXXXX", tmp == NULL ? "/tmp" : tmp);
  return mkdtemp (room) == NULL ? -1 : 0;
}

static inline int
leave_room (void **state)
{
  (void)state;
  return sh ("rm -rf '%s'", room);
}

/* A path in the room; one of sixteen buffers in turn. */
static inline const char *
in_room (const char *name)
{
  static char paths[16][600];
  static unsigned turn;
  char *path = paths[turn++ % 16];

  snprintf (path, sizeof paths[0], "%s/%s", room, name);
  return path;
}

static inline struct target_spec
spec_of (const char *path, uint64_t size)
{
  struct target_spec s = { .path = path, .virtual_size = size, .import_uuid = UUID };

  return s;
}

/* Created and claimed, so that it may be written (J9). */
static inline int
begin (struct target **t, const struct target_spec *spec, struct error *e)
{
  if (target_create (t, spec, e) == -1)
    return -1;
  return target_claim (*t, e);
}

static inline int
again (struct target **t, const struct target_spec *spec, const struct target_identity *id,
       bool *already, struct error *e)
{
  if (target_reopen (t, spec, id, already, e) == -1)
    return -1;
  return target_claim (*t, e);
}

/* With the error's text in the test's output. */
#define must(call)                          \
  do {                                      \
    if ((call) == -1)                       \
      fail_msg ("%s: %s", #call, err.text); \
  } while (0)

#define must_fail(call, want, words)                                   \
  do {                                                                 \
    err.text[0] = '\0';                                                \
    assert_int_equal ((call), -1);                                     \
    if (err.code != (want) || strstr (err.text, (words)) == NULL)      \
      fail_msg ("%s: %s: %s", #call, error_word (err.code), err.text); \
  } while (0)

static inline guest_off
guest (uint64_t v)
{
  return (guest_off){ v };
}

/* Does the file or device begin with the marker of UUID's import? */
static inline bool
is_marked (const char *path)
{
  uint8_t sector[SECTOR];
  struct marker m;
  int fd = open (path, O_RDONLY);
  bool marked = fd != -1 && pread (fd, sector, sizeof sector, 0) == sizeof sector
                && marker_parse (&m, sector) && strcmp (m.import, UUID) == 0;

  if (fd != -1)
    close (fd);
  return marked;
}

/* Bytes that tell where they belong. */
static inline void
pattern (uint8_t *buf, size_t len, uint64_t at)
{
  size_t i;

  for (i = 0; i < len; i++)
    buf[i] = (uint8_t)((at + i) * 2654435761u >> 13 | 1);
}

static inline void
put (struct target *t, uint64_t at, size_t len)
{
  uint8_t *buf = malloc (len);

  assert_non_null (buf);
  pattern (buf, len, at);
  must (target_write (t, guest (at), buf, len, &err));
  free (buf);
}

/* What PATH holds at AT is the pattern, or VALUE if that is not -1. */
static inline bool
holds (const char *path, uint64_t at, size_t len, int value)
{
  uint8_t *want = malloc (len), *is = malloc (len);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  bool same;

  assert_non_null (want);
  assert_non_null (is);
  assert_int_not_equal (fd, -1);
  pattern (want, len, at);
  if (value != -1)
    memset (want, value, len);
  posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
  same = pread (fd, is, len, (off_t)at) == (ssize_t)len && memcmp (want, is, len) == 0;
  close (fd);
  free (want);
  free (is);
  return same;
}

static inline bool
there_is (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0;
}

__attribute__ ((unused)) static void
make_file (const char *path, const char *content)
{
  FILE *f = fopen (path, "w");

  assert_non_null (f);
  fputs (content, f);
  assert_int_equal (fclose (f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, enter_room, leave_room)

#endif
