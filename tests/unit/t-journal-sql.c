/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The SQL of the journal: released migrations are never edited, every named statement can be
 * prepared, and none that work on the map needs to scan a table.
 */
#include "journal-fixture.h"

#include "journal/schema.h"
#include "journal/transaction.h"

/* A line is added with each migration; none is ever changed. */
static const char *const pinned[] = {
  "7d8035c6384b30f82cf165c04f88f067cdca1b9f10248807dd18d64797d5f3e3",
  "06790fc0595071b6650ad08ee8d478052ea0fa2b462741bff125b03a97b3e5f9",
  "2c9f25bc1fe82d7765d8506e150c212f030f5e5214b3b498098e574ba50b29d0",
};

static void
released_migrations_are_as_they_were (void **state)
{
  char hex[DIGEST_HEX];
  uint8_t digest[DIGEST_SIZE];
  struct digest d;
  size_t i;

  (void)state;
  assert_int_equal (sizeof pinned / sizeof pinned[0], SQL_MIGRATIONS);
  for (i = 0; i < SQL_MIGRATIONS; i++) {
    digest_init (&d);
    digest_update (&d, sql_migrations[i], strlen (sql_migrations[i]));
    digest_peek (&d, digest);
    assert_string_equal (digest_hex (hex, digest), pinned[i]);
  }
}

/* What every journal is held against when it is opened. */
static void
migrations_make_the_schema_that_is_checked (void **state)
{
  struct fixture *f = *state;
  char hex[DIGEST_HEX];
  struct sql s;
  size_t i;

  OK (f,
      sql_open (&s, ":memory:", "memory", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &f->err));
  for (i = 0; i < SQL_MIGRATIONS; i++)
    assert_int_equal (sqlite3_exec (s.db, sql_migrations[i], NULL, NULL, NULL), SQLITE_OK);
  OK (f, schema_digest (&s, hex, &f->err));
  assert_string_equal (hex, schema_sha256);
  sql_close (&s);
}

static bool
is_staging (enum sql_name name)
{
  return strcmp (sql_texts[name].file, "stage.sql") == 0;
}

static sqlite3_stmt *
prepare (sqlite3 *db, const char *prefix, enum sql_name name)
{
  char text[16384];
  sqlite3_stmt *st = NULL;

  snprintf (text, sizeof text, "%s%s", prefix, sql_texts[name].text);
  if (sqlite3_prepare_v2 (db, text, -1, &st, NULL) != SQLITE_OK)
    fail_msg (":%s: %s", sql_texts[name].name, sqlite3_errmsg (db));
  return st;
}

/* "SCAN segment" and the like; what is SEARCHed by its key is fine. */
static void
refuse_scans (sqlite3 *db, enum sql_name name)
{
  static const char *const tables[]
      = { "extent", "segment", "zero_run", "e", "s", "z", "ext", "tab" };
  sqlite3_stmt *st = prepare (db, "EXPLAIN QUERY PLAN ", name);
  size_t i;

  while (sqlite3_step (st) == SQLITE_ROW) {
    const char *plan = (const char *)sqlite3_column_text (st, 3);

    for (i = 0; i < sizeof tables / sizeof tables[0]; i++) {
      size_t n = strlen (tables[i]);

      if (strncmp (plan, "SCAN ", 5) == 0 && strncmp (plan + 5, tables[i], n) == 0
          && (plan[5 + n] == ' ' || plan[5 + n] == '\0'))
        fail_msg (":%s: %s", sql_texts[name].name, plan);
    }
  }
  sqlite3_finalize (st);
}

/* Schema statements are run as they come, so that the later ones have their tables. */
static void
prepare_staging (sqlite3 *db, bool stream)
{
  enum sql_name name;

  for (name = 0; name < SQL_COUNT; name++) {
    sqlite3_stmt *st;

    if (!is_staging (name)
        || name == (stream ? SQL_STAGE_EXTENT_SCHEMA : SQL_STAGE_EXTENT_SCHEMA_STREAM)
        || (stream && name == SQL_STAGE_EXTENTS_AS_THEY_CAME)
        || (!stream && (name == SQL_STAGE_PENDING || name == SQL_STAGE_TAKE)))
      continue;
    st = prepare (db, "", name);
    if (name == SQL_STAGE_TABLE_SCHEMA || name == SQL_STAGE_ZERO_SCHEMA
        || name == SQL_STAGE_EXTENT_SCHEMA || name == SQL_STAGE_EXTENT_SCHEMA_STREAM)
      assert_int_equal (sqlite3_step (st), SQLITE_DONE);
    sqlite3_finalize (st);
  }
}

static void
every_statement_can_be_prepared (void **state)
{
  struct fixture *f = *state;
  enum sql_name name;

  fixture_open (f);
  for (name = 0; name < SQL_COUNT; name++)
    if (!is_staging (name))
      sqlite3_finalize (prepare (f->j->sql.db, "", name));
}

static void
every_staging_statement_can_be_prepared (void **state)
{
  sqlite3 *db = NULL;
  int stream;

  (void)state;
  for (stream = 0; stream < 2; stream++) {
    assert_int_equal (sqlite3_open (":memory:", &db), SQLITE_OK);
    prepare_staging (db, stream);
    if (stream) {
      refuse_scans (db, SQL_STAGE_PENDING);
      refuse_scans (db, SQL_STAGE_TAKE);
      refuse_scans (db, SQL_STAGE_TABLE_BEFORE);
    }
    sqlite3_close (db);
  }
}

static void
no_work_on_the_map_scans_a_table (void **state)
{
  struct fixture *f = *state;
  enum sql_name name;
  unsigned looked_at = 0;

  fixture_open (f);
  for (name = 0; name < SQL_COUNT; name++) {
    if (strcmp (sql_texts[name].file, "map.sql") == 0
        || strcmp (sql_texts[name].file, "import.sql") == 0) {
      refuse_scans (f->j->sql.db, name);
      looked_at++;
    }
  }
  assert_in_range (looked_at, 30, SQL_COUNT);
}

static void
auditors_views_go_by_the_key (void **state)
{
  struct fixture *f = *state;
  const char *plan;

  fixture_open (f);
  plan
      = fixture_ask (f, "EXPLAIN QUERY PLAN SELECT * FROM cluster_state WHERE import_id = 'x'");
  assert_null (strstr (plan, "SCAN i"));
  assert_null (strstr (plan, "SCAN s"));
  assert_null (strstr (plan, "SCAN e"));
  assert_null (strstr (plan, "SCAN z"));
  assert_null (strstr (plan, "AUTOMATIC"));
  assert_non_null (strstr (plan, "SEARCH i USING"));
}

static void
the_views_have_the_columns_of_the_contract (void **state)
{
  struct fixture *f = *state;

  fixture_open (f);
  assert_string_equal (
      fixture_ask (f,
                   "SELECT group_concat (name, ' ') FROM pragma_table_info ('cluster_state')"),
      "import_id layer guest_offset length kind host_offset stored_length committed");
  assert_string_equal (
      fixture_ask (f, "SELECT group_concat (name, ' ') FROM pragma_table_info ('event')"),
      "key import_id at kind detail chain");
}

/* fixture_setup opens nothing: each test that needs a journal does. */
int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (released_migrations_are_as_they_were),
    TEST (migrations_make_the_schema_that_is_checked),
    TEST (every_statement_can_be_prepared),
    TEST (every_staging_statement_can_be_prepared),
    TEST (no_work_on_the_map_scans_a_table),
    TEST (auditors_views_go_by_the_key),
    TEST (the_views_have_the_columns_of_the_contract),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
