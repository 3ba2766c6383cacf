# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/unit/journal-fixture.h

unit_tests += tests/unit/t-journal-file
tests_unit_t_journal_file_SOURCES = tests/unit/t-journal-file.c
tests_unit_t_journal_file_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_file_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

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

unit_tests += tests/unit/t-journal-work
tests_unit_t_journal_work_SOURCES = tests/unit/t-journal-work.c
tests_unit_t_journal_work_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_work_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)
