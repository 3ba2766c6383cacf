/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an import is: begun, found, held by one process at a time, given back, begun again,
 * completed, forgotten; and what the documents say of it.
 */
#include "journal-fixture.h"

static const char hostile[] = "a\"b\\x1b[31m\n\t\x80\xff</script>\xe2\x80\xae\xc3\xa9";

/* What jq makes of TEXT with FILTER; "" if it is no JSON. */
static char *
jq (struct fixture *f, const char *text, const char *filter)
{
  static char answer[8192];
  char name[320], command[1024];
  FILE *p;
  size_t n;

  snprintf (name, sizeof name, "%s/doc.json", f->dir);
  p = fopen (name, "w");
  assert_non_null (p);
  fputs (text, p);
  fclose (p);
  snprintf (command, sizeof command, "jq -rc '%s' '%s'", filter, name);
  p = popen (command, "r");
  assert_non_null (p);
  n = fread (answer, 1, sizeof answer - 1, p);
  answer[n] = '\0';
  if (pclose (p) != 0)
    fail_msg ("jq %s: %s", filter, text);
  if (n > 0)
    answer[n - 1] = '\0';
  return answer;
}

static void
seal_tiny (struct fixture *f)
{
  OWN (journal_map) m = NULL;
  struct extent a = data_at (0, CLUSTER, CLUSTER), z = zero_at (EXTENT_HOLE, CLUSTER, CLUSTER);

  OK (f, journal_map_begin (&m, f->j, &f->imp, f->layers, &f->err));
  OK (f, journal_map_add (m, &a, &f->err));
  OK (f, journal_map_add (m, &z, &f->err));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
}

static void
commit_tiny (struct fixture *f)
{
  struct segment_progress s = { .committed_to = { 2 * CLUSTER },
                                .committed_extents = 1,
                                .committed = true,
                                .digest_final = true,
                                .hash_len = 32 };
  struct import_progress p = { .segments_committed = 1,
                               .guest_committed = 2 * CLUSTER,
                               .fetched = CLUSTER + 10,
                               .zero_committed = CLUSTER,
                               .zero_ord = 1,
                               .done_to = 1 };

  OK (f, journal_set_target (f->j, f->imp.no, "kind=file", &f->err));
  OK (f, journal_commit (f->j, f->imp.no, &s, 1, &p, &f->err));
}

static void
what_is_begun_is_found_again (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;
  struct journal_layer layer;
  char prefix[5], upper[JOURNAL_ID_SIZE];
  size_t i;

  fixture_describe (f, 123 * CLUSTER);
  strcpy (f->imp.options, "memory=64M\nconnections=4\n");
  strcpy (f->imp.snapshot, "before upgrade");
  f->imp.hash_image = true;
  f->imp.layers = 2;
  f->layers[1].length = UINT64_MAX;
  f->layers[1].trust = 2;
  memset (f->layers[1].head_digest, 7, DIGEST_SIZE);
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  assert_int_equal (f->imp.now.state, IMPORT_PROBING);
  assert_int_equal (f->imp.now.attempts, 1);
  assert_in_range (f->imp.started_at, wall_ms () - 10000, wall_ms ());

  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_memory_equal (&got, &f->imp, sizeof got);
  assert_string_equal (got.options, "memory=64M\nconnections=4\n");
  assert_true (got.hash_image && got.digests && !got.sealed && !got.stream);
  assert_int_equal (got.virtual_size, 123 * CLUSTER);
  OK (f, journal_find (f->j, "/srv/disk.img", &got, &f->err));
  memcpy (prefix, f->imp.id, 4);
  prefix[4] = '\0';
  OK (f, journal_find (f->j, prefix, &got, &f->err));
  for (i = 0; i < JOURNAL_ID_SIZE; i++)
    upper[i] = (char)(f->imp.id[i] >= 'a' ? f->imp.id[i] - 32 : f->imp.id[i]);
  OK (f, journal_find (f->j, upper, &got, &f->err));
  assert_int_equal (got.no, f->imp.no);
  OK (f, journal_get_layer (f->j, got.no, 1, &layer, &f->err));
  assert_memory_equal (&layer, &f->layers[1], sizeof layer);
  strcpy (layer.url, "file:///elsewhere");
  OK (f, journal_put_layer (f->j, got.no, 1, &layer, &f->err));
  OK (f, journal_get_layer (f->j, got.no, 1, &f->layers[1], &f->err));
  assert_string_equal (f->layers[1].url, "file:///elsewhere");
}

static void
what_is_not_there_is_not_found (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;
  static const char *const names[] = {
    "zzzz", "0000000", "/srv/other", "", "abc", "12345678-1234-1234-1234-123456789012345"
  };
  char three[4];
  size_t i;

  fixture_begin (f, CLUSTER);
  for (i = 0; i < sizeof names / sizeof names[0]; i++)
    FAILS (f, ERR_NO_SUCH_IMPORT, journal_find (f->j, names[i], &got, &f->err));
  memcpy (three, f->imp.id, 3);
  three[3] = '\0';
  FAILS (f, ERR_NO_SUCH_IMPORT, journal_find (f->j, three, &got, &f->err));
}

static void
a_prefix_of_two_is_ambiguous (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;

  fixture_begin (f, CLUSTER);
  strcpy (f->imp.target, "/srv/two");
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  fixture_write (f, "UPDATE import SET id = 'abcd' || substr (id, 5)");
  FAILS (f, ERR_USAGE, journal_find (f->j, "abcd", &got, &f->err));
}

/* Whoever has an import still knows which it is when it cannot be read (any more). */
static void
what_cannot_be_read_changes_nothing (void **state)
{
  struct fixture *f = *state;
  struct journal_import mine;

  fixture_begin (f, 2 * CLUSTER);
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  mine = f->imp;
  OK (f, journal_hold (f->j, &f->imp, &f->err));
  OK (f, journal_forget (f->j, f->imp.no, &f->err));
  f->imp = mine;
  FAILS (f, ERR_NO_SUCH_IMPORT, journal_hold (f->j, &mine, &f->err));
  assert_memory_equal (&mine, &f->imp, sizeof mine);
}

static void
one_target_has_one_unfinished_import (void **state)
{
  struct fixture *f = *state;
  struct journal_import first;

  fixture_begin (f, 2 * CLUSTER);
  first = f->imp;
  FAILS (f, ERR_IMPORT_HELD, journal_begin (f->j, &f->imp, f->layers, &f->err));
  OK (f, journal_release (f->j, first.no, IMPORT_INTERRUPTED, NULL, &f->err));
  FAILS (f, ERR_TARGET_EXISTS, journal_begin (f->j, &f->imp, f->layers, &f->err));
  assert_non_null (strstr (f->err.text, "qimport resume"));
  assert_non_null (strstr (f->err.text, first.id));
  OK (f, journal_hold (f->j, &first, &f->err));
  f->imp = first;
  seal_tiny (f);
  commit_tiny (f);
  OK (f, journal_complete (f->j, first.no, "", &f->err));
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  assert_true (f->imp.no > first.no);
  OK (f, journal_find (f->j, "/srv/disk.img", &first, &f->err));
  assert_int_equal (first.no, f->imp.no);
}

/* A child opens the journal itself, after the fork. */
static int
child_holds (struct fixture *f)
{
  struct journal *j = NULL;
  int status;
  pid_t pid = fork ();

  if (pid == 0) {
    int r = journal_open (&j, f->path, JOURNAL_WRITE, &f->err);

    if (r == 0)
      r = journal_hold (j, &f->imp, &f->err);
    _exit (r == 0 ? 0 : (int)f->err.code);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
one_process_holds_it_and_a_dead_one_does_not (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;
  int64_t no;

  fixture_begin (f, CLUSTER);
  no = f->imp.no;
  FAILS (f, ERR_IMPORT_HELD, journal_hold (f->j, &f->imp, &f->err)); /* by this process too */
  assert_non_null (strstr (f->err.text, "pid "));
  assert_int_equal (child_holds (f), ERR_IMPORT_HELD);
  OK (f, journal_release (f->j, no, IMPORT_INTERRUPTED, NULL, &f->err));
  assert_int_equal (child_holds (f), 0); /* and dies without giving it back */
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_INTERRUPTED);
  assert_string_equal (got.now.holder, "");
  assert_string_equal (fixture_ask (f, "SELECT state, holder <> '' FROM import"), "probing|1");
  OK (f, journal_hold (f->j, &f->imp, &f->err));
  assert_int_equal (f->imp.now.state, IMPORT_PROBING);
  assert_int_equal (f->imp.now.attempts, 3);
}

static void
only_one_of_many_processes_gets_it (void **state)
{
  struct fixture *f = *state;
  int pipes[2], i, won = 0, status;
  pid_t child[6];
  char go;

  fixture_begin (f, CLUSTER);
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  journal_close (f->j);
  f->j = NULL;
  assert_int_equal (pipe (pipes), 0);
  for (i = 0; i < 6; i++) {
    child[i] = fork ();
    if (child[i] == 0) {
      int r = journal_open (&f->j, f->path, JOURNAL_WRITE, &f->err);

      if (r == 0)
        r = journal_hold (f->j, &f->imp, &f->err);
      close (pipes[1]);
      (void)!read (pipes[0], &go, 1); /* alive until all have tried */
      _exit (r == 0 ? 0 : (int)f->err.code);
    }
  }
  close (pipes[0]);
  usleep (300000);
  close (pipes[1]);
  for (i = 0; i < 6; i++) {
    waitpid (child[i], &status, 0);
    won += status == 0;
    assert_true (status == 0 || WEXITSTATUS (status) == ERR_IMPORT_HELD);
  }
  assert_int_equal (won, 1);
}

static void
giving_it_back_says_why (void **state)
{
  struct fixture *f = *state;
  struct error why = { .code = ERR_RETRY_BUDGET };
  struct journal_import got;

  strcpy (why.text, "no new byte for 300 s");
  fixture_begin (f, CLUSTER);
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, &why, &f->err));
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_string_equal (got.now.error_code, "retry-budget-spent");
  assert_string_equal (got.now.error_message, why.text);
  assert_string_equal (got.now.holder, "");
  assert_string_equal (
      fixture_ask (f, "SELECT kind, detail FROM event ORDER BY key LIMIT -1 OFFSET 1"),
      "interrupted|no new byte for 300 s");
  OK (f, journal_release (f->j, f->imp.no, IMPORT_FAILED, NULL, &f->err)); /* not ours now */
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_INTERRUPTED);
}

static void
states_follow_what_is_there (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;

  fixture_begin (f, 2 * CLUSTER);
  FAILS (f, ERR_INTERNAL, journal_complete (f->j, f->imp.no, "", &f->err));
  seal_tiny (f);
  assert_int_equal (f->imp.now.state, IMPORT_MAPPED);
  OK (f, journal_set_target (f->j, f->imp.no, "kind=file ino=1", &f->err));
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_COPYING);
  assert_string_equal (got.target_identity, "kind=file ino=1");
  FAILS (f, ERR_INTERNAL, journal_complete (f->j, f->imp.no, "", &f->err));
  commit_tiny (f);
  OK (f, journal_complete (f->j, f->imp.no, "", &f->err));
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_COMPLETE);
  assert_true (got.now.finished_at >= got.started_at);
  got.now.state = IMPORT_INTERRUPTED; /* as it was when it was read */
  assert_int_equal (journal_hold (f->j, &got, &f->err), 1);
  assert_int_equal (got.now.state, IMPORT_COMPLETE);
  assert_int_equal (got.now.attempts, 1);
  assert_string_equal (got.now.holder, "");
  OK (f, journal_hold_audit (f->j, &got, &f->err));
  OK (f, journal_audited (f->j, got.no, "audited", "same", "00ff", &f->err));
  OK (f, journal_release_audit (f->j, got.no, &f->err));
  OK (f, journal_find (f->j, got.id, &got, &f->err));
  assert_string_equal (got.now.root_digest, "00ff");
}

static void
unseal_forgets_map_and_progress (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;

  fixture_begin (f, 2 * CLUSTER);
  seal_tiny (f);
  OK (f, journal_set_target (f->j, f->imp.no, "kind=file ino=1", &f->err));
  commit_tiny (f);
  OK (f, journal_unseal (f->j, f->imp.no, &f->err));
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_false (got.sealed);
  assert_int_equal (got.now.segments_committed + got.now.guest_committed + got.now.zero_ord, 0);
  assert_string_equal (got.target_identity, "");
  OK (f, journal_check (f->path, got.no, NULL, &f->err));
  assert_int_equal (got.segments + got.extents + got.zero_runs + got.guest_total, 0);
  assert_string_equal (
      fixture_ask (f, "SELECT (SELECT count (*) FROM segment), (SELECT count (*) FROM extent),"
                      " (SELECT count (*) FROM zero_run)"),
      "0|0|0");
  seal_tiny (f);
}

static void
what_is_forgotten_leaves_nothing_but_the_others (void **state)
{
  struct fixture *f = *state;
  struct journal_import first, got;

  fixture_begin (f, 2 * CLUSTER);
  seal_tiny (f);
  first = f->imp;
  strcpy (f->imp.target, "/srv/two");
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  seal_tiny (f);
  FAILS (f, ERR_IMPORT_HELD, fixture_forget (f, f->j, &first));
  OK (f, journal_release (f->j, first.no, IMPORT_INTERRUPTED, NULL, &f->err));
  OK (f, fixture_forget (f, f->j, &first));
  FAILS (f, ERR_NO_SUCH_IMPORT, journal_find (f->j, first.id, &got, &f->err));
  assert_string_equal (
      fixture_ask (f, "SELECT (SELECT count (*) FROM import), (SELECT count (*) FROM layer),"
                      " (SELECT count (*) FROM segment), (SELECT count (*) FROM extent),"
                      " (SELECT count (*) FROM zero_run), (SELECT count (*) FROM event),"
                      " (SELECT count (*) FROM forgotten)"),
      "1|1|1|1|1|1|0");
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
  FAILS (f, ERR_NO_SUCH_IMPORT, fixture_forget (f, f->j, &first));
}

static void
forgetting_gives_space_back (void **state)
{
  struct fixture *f = *state;
  OWN (journal_map) m = NULL;
  uint64_t i;
  long before, after;

  fixture_begin (f, UINT64_C (50000) * CLUSTER);
  OK (f, journal_map_begin (&m, f->j, &f->imp, f->layers, &f->err));
  for (i = 0; i < 50000; i++) {
    struct extent e = compressed_at (i * CLUSTER, i * 1000, 1000);

    OK (f, journal_map_add (m, &e, &f->err));
  }
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  before = atol (fixture_ask (f, "PRAGMA page_count"));
  OK (f, fixture_forget (f, f->j, &f->imp));
  after = atol (fixture_ask (f, "PRAGMA page_count"));
  assert_true (before > 300);
  assert_true (after < 40);
}

static int
count_one (void *ctx, const struct journal_import *imp, const struct journal_layer *layer,
           struct error *err)
{
  int64_t *last = ctx;

  (void)err;
  assert_true (imp->no > *last);
  assert_string_not_equal (layer->url, "");
  *last = imp->no;
  return 0;
}

static int
count_event (void *ctx, const struct journal_event_row *e, struct error *err)
{
  int *n = ctx;

  (void)err;
  if (*n == 0)
    assert_string_equal (e->kind, "started");
  else
    assert_string_equal (e->detail, "attempt 1 of many");
  assert_in_range (e->at, wall_ms () - 60000, wall_ms ());
  ++*n;
  return 0;
}

static void
imports_and_events_are_listed_in_order (void **state)
{
  struct fixture *f = *state;
  int64_t last = 0;
  char *json = NULL;
  int n = 0;

  fixture_begin (f, CLUSTER);
  OK (f, journal_event (f->j, f->imp.no, "retry", "attempt 1 of many", &f->err));
  OK (f, journal_events (f->j, &f->imp, count_event, &n, &f->err));
  assert_int_equal (n, 2);
  OK (f, journal_log_json (f->j, &f->imp, &json, &f->err));
  assert_string_equal (jq (f, json, "[.id == \"x\", (.events | map (.kind))]"),
                       "[false,[\"started\",\"retry\"]]");
  assert_string_equal (jq (f, json, ".events[1].at | test (\"^20..-..-..T..:..:..[.]...Z$\")"),
                       "true");
  free (json);
  strcpy (f->imp.target, "/srv/two");
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  OK (f, journal_list (f->j, count_one, &last, &f->err));
  assert_int_equal (last, f->imp.no);
}

static void
status_has_the_keys_of_the_contract (void **state)
{
  struct fixture *f = *state;
  char *json = NULL;

  fixture_open (f);
  OK (f, journal_status_json (f->j, NULL, &json, &f->err));
  assert_string_equal (json, "{\"imports\":[]}\n");
  free (json);
  fixture_begin (f, 2 * CLUSTER);
  seal_tiny (f);
  commit_tiny (f);
  OK (f, journal_status_json (f->j, &f->imp, &json, &f->err));
  assert_string_equal (
      jq (f, json, "keys_unsorted | join (\" \")"),
      "id state url target target_kind virtual_size cluster_size image clusters bytes segments "
      "percent attempts error started_at updated_at finished_at");
  assert_string_equal (
      jq (f, json, "[.image, .clusters, .bytes, .segments, .percent, .error, .state]"),
      "[{\"length\":1099511627776,\"etag\":\"\\\"abc\\\"\","
      "\"last_modified\":null,\"sha256\":null,\"checksum\":null,"
      "\"checksum_from\":null,\"signed_by\":null},"
      "{\"total\":2,\"committed\":2},"
      "{\"guest_total\":131072,\"guest_committed\":131072,"
      "\"data_total\":65536,\"data_committed\":65536,"
      "\"image_total\":65536,\"fetched\":65546},"
      "{\"total\":1,\"committed\":1},100,null,\"copying\"]");
  free (json);
  OK (f, journal_release (f->j, f->imp.no, IMPORT_COPYING, NULL, &f->err));
  OK (f, journal_status_json (f->j, NULL, &json, &f->err)); /* nobody works on it */
  assert_string_equal (jq (f, json, ".imports | map ([.state, .started_at[19:20]])"),
                       "[[\"interrupted\",\".\"]]");
  free (json);
}

static void
hostile_strings_make_valid_json (void **state)
{
  struct fixture *f = *state;
  struct error why = { .code = ERR_SOURCE_FAILED };
  char *json = NULL;

  fixture_describe (f, CLUSTER);
  strcpy (f->imp.target, hostile);
  strcpy (f->imp.options, hostile);
  strcpy (f->layers[0].etag, hostile);
  strcpy (f->layers[0].url, hostile);
  strcpy (why.text, hostile);
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  OK (f, journal_event (f->j, f->imp.no, hostile, hostile, &f->err));
  OK (f, journal_release (f->j, f->imp.no, IMPORT_FAILED, &why, &f->err));
  OK (f, journal_status_json (f->j, NULL, &json, &f->err));
  assert_string_equal (jq (f, json,
                           ".imports[0] | [.target == .url, .url == .image.etag,"
                           " .error.message == .url, (.url | test (\"[\\u0000-\\u001f]\"))]"),
                       "[true,true,true,false]");
  assert_string_equal (jq (f, json, ".imports[0].url | contains (\"\\u00e9\")"), "true");
  free (json);
  OK (f, journal_log_json (f->j, &f->imp, &json, &f->err));
  assert_string_equal (jq (f, json, ".events | length"), "3");
  free (json);
  OK (f, journal_receipt_json (f->j, &f->imp, &json, &f->err));
  assert_string_equal (jq (f, json, ".source[0].url == .target.path"), "true");
  free (json);
  OK (f, journal_find (f->j, hostile, &f->imp, &f->err)); /* as it was given */
}

static void
a_receipt_says_what_and_how_well_it_is_known (void **state)
{
  struct fixture *f = *state;
  char *json = NULL;

  fixture_describe (f, 2 * CLUSTER);
  f->imp.layers = 2;
  f->layers[1].trust = 2;
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  seal_tiny (f);
  commit_tiny (f);
  OK (f, journal_event (f->j, f->imp.no, "retry", "reset", &f->err));
  OK (f, journal_event (f->j, f->imp.no, "committed", "1", &f->err));
  OK (f, journal_complete (f->j, f->imp.no, "abcd", &f->err));
  OK (f, journal_receipt_json (f->j, &f->imp, &json, &f->err));
  assert_string_equal (
      jq (f, json,
          "[.state, .attempts, .retries, .interruptions, (.source | map (.identity)),"
          " .digests.image_sha256, (.digests.map_sha256 | length),"
          " (.events | map (.kind)), .tool.name, .image.read_as_stream]"),
      "[\"complete\",1,1,0,[\"strong\",\"length-only\"],\"abcd\",64,"
      "[\"started\",\"retry\",\"completed\"],\"qimport\",false]");
  free (json);
}

static void
nonsense_in_a_row_is_refused_not_believed (void **state)
{
  struct fixture *f = *state;
  static const char *const lies[] = {
    "UPDATE import SET state = 'done'",
    "UPDATE import SET state = 'probing', layers = 65",
    "UPDATE import SET layers = 1, virtual_size = -5",
    "UPDATE import SET virtual_size = 0, target = printf ('%5000s', 'x')",
    "UPDATE import SET target = 'x', image_hash = zeroblob (201)",
    "UPDATE import SET image_hash = NULL, map_digest = x'00'",
    "UPDATE import SET map_digest = NULL, stream = 2",
    "UPDATE import SET stream = 0, keep_holes = x'00'",
    "UPDATE import SET keep_holes = 0, target = x'41'",
    "UPDATE import SET target = 'x', need_max = -1",
    "UPDATE import SET need_max = 0, segments_committed = 1",
  };
  static const char *const layer_lies[] = {
    "UPDATE layer SET segment_size = 0",
    "UPDATE layer SET segment_size = cluster_size * 3",
    "UPDATE layer SET segment_size = cluster_size / 2",
    "UPDATE layer SET segment_size = 1048576, cluster_size = -1",
  };
  struct journal_layer layer;
  struct journal_import got;
  size_t i;

  fixture_begin (f, CLUSTER);
  for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    fixture_write (f, lies[i]);
    FAILS (f, ERR_JOURNAL_CORRUPT, journal_find (f->j, f->imp.id, &got, &f->err));
  }
  OK (f, journal_get_layer (f->j, f->imp.no, 0, &layer, &f->err));
  for (i = 0; i < sizeof layer_lies / sizeof layer_lies[0]; i++) {
    fixture_write (f, layer_lies[i]);
    FAILS (f, ERR_JOURNAL_CORRUPT, journal_get_layer (f->j, f->imp.no, 0, &layer, &f->err));
  }
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (what_is_begun_is_found_again),
    TEST (what_is_not_there_is_not_found),
    TEST (a_prefix_of_two_is_ambiguous),
    TEST (one_target_has_one_unfinished_import),
    TEST (one_process_holds_it_and_a_dead_one_does_not),
    TEST (only_one_of_many_processes_gets_it),
    TEST (giving_it_back_says_why),
    TEST (states_follow_what_is_there),
    TEST (what_cannot_be_read_changes_nothing),
    TEST (unseal_forgets_map_and_progress),
    TEST (what_is_forgotten_leaves_nothing_but_the_others),
    TEST (forgetting_gives_space_back),
    TEST (imports_and_events_are_listed_in_order),
    TEST (status_has_the_keys_of_the_contract),
    TEST (hostile_strings_make_valid_json),
    TEST (a_receipt_says_what_and_how_well_it_is_known),
    TEST (nonsense_in_a_row_is_refused_not_believed),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
