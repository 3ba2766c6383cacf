/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * source-fixture: see source-fixture.h.
 */
#include "source-fixture.h"

char dir[64] = "";
char image_path[128];
uint8_t image[IMAGE];
struct server server;
unsigned case_number;

/* ---- the server ---- */

void
server_start (struct server *v, const char *name, const char *file, const char *cert,
              const char *key)
{
  int out[2];
  char line[32] = "";
  FILE *f;
  char script[512];

  snprintf (v->log, sizeof v->log, "%s/%s.log", dir, name);
  snprintf (script, sizeof script, "%s/tests/tools/lying-server.py",
            getenv ("top_srcdir") != NULL ? getenv ("top_srcdir") : ".");
  assert_int_equal (pipe (out), 0);
  v->pid = fork ();
  if (v->pid == 0) {
    dup2 (out[1], 1);
    close (out[0]);
    execlp ("python3", "python3", script, "--file", file, "--log", v->log,
            cert != NULL ? "--tls" : NULL, cert, key, (char *)NULL);
    _exit (127);
  }
  close (out[1]);
  f = fdopen (out[0], "r");
  assert_non_null (fgets (line, sizeof line, f));
  fclose (f);
  v->port = atoi (line);
  assert_true (v->port > 0);
}

void
server_stop (struct server *v)
{
  kill (v->pid, SIGTERM);
  waitpid (v->pid, NULL, 0);
}

int
set_up (void **state)
{
  uint32_t x = 12345;
  size_t i;
  FILE *f;

  (void)state;
  snprintf (dir, sizeof dir, "%s/qimport-source-XXXXXX",
            getenv ("TMPDIR") != NULL && strlen (getenv ("TMPDIR")) < 30 ? getenv ("TMPDIR")
                                                                         : "/tmp");
  assert_non_null (mkdtemp (dir));
  for (i = 0; i < IMAGE; i++) {
    x = x * 1664525u + 1013904223u;
    image[i] = (uint8_t)(x >> 24);
  }
  snprintf (image_path, sizeof image_path, "%s/image", dir);
  f = fopen (image_path, "wb");
  assert_int_equal (fwrite (image, 1, IMAGE, f), IMAGE);
  assert_int_equal (fclose (f), 0);
  server_start (&server, "main", image_path, NULL, NULL);
  return 0;
}

int
tear_down (void **state)
{
  char command[128];

  (void)state;
  server_stop (&server);
  snprintf (command, sizeof command, "rm -rf '%s'", dir);
  return system (command) == 0 ? 0 : -1;
}

/* ---- a source under test ---- */

static void
note_event (void *ctx, const char *kind, const char *detail)
{
  struct run *r = ctx;
  size_t n = strlen (r->events);

  snprintf (r->events + n, sizeof r->events - n, "%s: %s\n", kind, detail);
}

struct run *
run_new (const char *lies)
{
  struct run *r = calloc (1, sizeof *r);

  r->options = (struct source_options){ .connections = 4,
                                        .retry_time_s = 5,
                                        .stall_time_s = 2,
                                        .connect_timeout_s = 5,
                                        .event = note_event,
                                        .event_ctx = r };
  snprintf (r->path, sizeof r->path, "/b/%s/%u", lies, ++case_number);
  snprintf (r->url, sizeof r->url, "http://127.0.0.1:%d%s", server.port, r->path);
  return r;
}

static void
run_free (struct run *r)
{
  source_close (r->s);
  free (r);
}

void
run_freep (struct run **r)
{
  run_free (*r);
}

int
probe_as (struct run *r, const struct source_identity *recorded, bool accept)
{
  r->err.code = ERR_NONE;
  if (source_open (&r->s, r->url, &r->options, &r->err) == -1)
    return -1;
  return source_probe (r->s, recorded, accept, &r->found, r->head, HEAD, &r->head_len, &r->err);
}

int
probe (struct run *r)
{
  return probe_as (r, NULL, false);
}

void
must_probe (struct run *r)
{
  if (probe (r) == -1)
    fail_msg ("%s: %s", r->url, r->err.text);
  assert_int_equal (r->found.length, IMAGE);
  assert_true (r->found.ranges);
  assert_int_equal (r->head_len, HEAD);
  assert_memory_equal (r->head, image, HEAD);
}

/* Every byte once, whatever the order of the ranges; never a wrong one (J5). */
int
sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct run *r = ctx;

  (void)err;
  assert_true (at.v + len <= IMAGE);
  if (memcmp (data, image + at.v, len) != 0)
    fail_msg ("wrong bytes at %" PRIu64, at.v);
  memcpy (r->got + at.v, data, len);
  r->sunk += len;
  return 0;
}

int
step_until_idle (struct run *r)
{
  while (source_busy (r->s) > 0) {
    if (source_step (r->s, 1000, &r->err) == -1)
      return -1;
  }
  return 0;
}

int
get (struct run *r, uint64_t at, uint64_t len)
{
  struct host_range range = { { at }, len };

  if (source_get (r->s, range, sink, r, &r->err) == -1)
    return -1;
  return step_until_idle (r);
}

int
get_all (struct run *r)
{
  uint64_t at = 0, len = 100000;

  while (at < IMAGE || source_busy (r->s) > 0) {
    while (at < IMAGE && source_idle (r->s) > 0) {
      struct host_range range = { { at }, IMAGE - at < len ? IMAGE - at : len };

      if (source_get (r->s, range, sink, r, &r->err) == -1)
        return -1;
      at += range.len;
    }
    if (source_step (r->s, 1000, &r->err) == -1)
      return -1;
  }
  return 0;
}

void
expect_all (struct run *r)
{
  if (get_all (r) == -1)
    fail_msg ("%s: %s", r->url, r->err.text);
  assert_int_equal (r->sunk, IMAGE);
  assert_memory_equal (r->got, image, IMAGE);
}

void
expect_error (struct run *r, int result, enum error_code code)
{
  if (result != -1 || r->err.code != code)
    fail_msg ("%s: result %d, code %s, want %s: %s", r->path, result, error_word (r->err.code),
              error_word (code), r->err.text);
}

/* Lines of the log of V that hold the path of R and TEXT. */
unsigned
logged_at (const struct server *v, const struct run *r, const char *text)
{
  char line[8192], path[300];
  unsigned n = 0;
  FILE *f;

  usleep (50000); /* the server logs after it answered */
  snprintf (path, sizeof path, "\"path\": \"%s\"", r->path);
  f = fopen (v->log, "r");
  while (f != NULL && fgets (line, sizeof line, f) != NULL)
    n += strstr (line, path) != NULL && strstr (line, text) != NULL;
  if (f != NULL)
    fclose (f);
  return n;
}

unsigned
logged (const struct run *r, const char *text)
{
  return logged_at (&server, r, text);
}

void
write_file (char *path, size_t size, const char *name, const char *text, mode_t mode)
{
  FILE *f;

  snprintf (path, size, "%s/%s", dir, name);
  f = fopen (path, "w");
  fputs (text, f);
  fclose (f);
  chmod (path, mode);
}

void
stream_all (struct run *r)
{
  uint8_t buf[7000];
  size_t got, at = 0;

  for (;;) {
    if (source_stream_read (r->s, buf, sizeof buf, &got, &r->err) == -1)
      fail_msg ("%s: %s", r->url, r->err.text);
    if (got == 0)
      break;
    assert_true (at + got <= IMAGE);
    assert_memory_equal (buf, image + at, got);
    at += got;
  }
  assert_int_equal (at, IMAGE);
}
