# SPDX-License-Identifier: LGPL-2.1-or-later
source_fixture = tests/unit/source-fixture.c tests/unit/source-fixture.h

unit_tests += tests/unit/t-source-response
tests_unit_t_source_response_SOURCES = tests/unit/t-source-response.c
tests_unit_t_source_response_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_response_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-source-fetch
tests_unit_t_source_fetch_SOURCES = tests/unit/t-source-fetch.c $(source_fixture)
tests_unit_t_source_fetch_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_fetch_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-source-lies
tests_unit_t_source_lies_SOURCES = tests/unit/t-source-lies.c $(source_fixture)
tests_unit_t_source_lies_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_lies_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-source-kinds
tests_unit_t_source_kinds_SOURCES = tests/unit/t-source-kinds.c $(source_fixture)
tests_unit_t_source_kinds_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_kinds_LDADD = $(UNIT_LIBS)

EXTRA_DIST += tests/tools/lying-server.py
