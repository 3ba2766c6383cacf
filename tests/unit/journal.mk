# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/unit/journal-fixture.h

unit_tests += tests/unit/t-journal-map
tests_unit_t_journal_map_SOURCES = tests/unit/t-journal-map.c
tests_unit_t_journal_map_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_journal_map_LDADD = $(UNIT_LIBS)
