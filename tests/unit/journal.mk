# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/unit/journal-fixture.h

unit_tests += tests/unit/t-journal-database
tests_unit_t_journal_database_SOURCES = tests/unit/t-journal-database.c
tests_unit_t_journal_database_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_database_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/t-journal-import
tests_unit_t_journal_import_SOURCES = tests/unit/t-journal-import.c
tests_unit_t_journal_import_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_import_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/t-journal-lock
tests_unit_t_journal_lock_SOURCES = tests/unit/t-journal-lock.c
tests_unit_t_journal_lock_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_lock_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/t-journal-map
tests_unit_t_journal_map_SOURCES = tests/unit/t-journal-map.c
tests_unit_t_journal_map_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_map_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/t-journal-sql
tests_unit_t_journal_sql_SOURCES = tests/unit/t-journal-sql.c
tests_unit_t_journal_sql_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_sql_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

unit_tests += tests/unit/t-journal-commit
tests_unit_t_journal_commit_SOURCES = tests/unit/t-journal-commit.c
tests_unit_t_journal_commit_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_commit_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)
