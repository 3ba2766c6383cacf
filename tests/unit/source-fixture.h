/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of the source share: a lying server, a source under test, a sink that compares
 * every byte, and the server's request log.
 */
#ifndef SOURCE_FIXTURE_H
#define SOURCE_FIXTURE_H

#include "source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* last: it makes a macro of fail */
#include <cmocka.h>

enum { IMAGE = 1 << 20, HEAD = 4096 };

struct server {
  pid_t pid;
  int port;
  char log[128];
};

struct run {
  struct source *s;
  struct source_options options;
  struct source_identity found;
  struct error err;
  char path[256]; /* "/b/LIES/NUMBER": its own in the log */
  char url[512];
  uint8_t head[HEAD];
  size_t head_len;
  uint8_t got[IMAGE];
  uint64_t next, sunk; /* the sink's order and count */
  char events[8192];
};

extern char dir[64];
extern char image_path[128];
extern uint8_t image[IMAGE];
extern struct server server;
extern unsigned case_number;

void server_start (struct server *v, const char *name, const char *file, const char *cert,
                   const char *key);
void server_stop (struct server *v);
int set_up (void **state);
int tear_down (void **state);
struct run *run_new (const char *lies);
void run_freep (struct run **r);
int probe_as (struct run *r, const struct source_identity *recorded, bool accept);
int probe (struct run *r);
void must_probe (struct run *r);
/* Every byte once, whatever the order of the ranges; never a wrong one (J5). */
int sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err);
int step_until_idle (struct run *r);
int get (struct run *r, uint64_t at, uint64_t len);
int get_all (struct run *r);
void expect_all (struct run *r);
void expect_error (struct run *r, int result, enum error_code code);
/* Lines of the log of V that hold the path of R and TEXT. */
unsigned logged_at (const struct server *v, const struct run *r, const char *text);
unsigned logged (const struct run *r, const char *text);
void write_file (char *path, size_t size, const char *name, const char *text, mode_t mode);
void stream_all (struct run *r);

#define RUN __attribute__ ((cleanup (run_freep))) struct run *

#endif
