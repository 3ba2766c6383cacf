# SPDX-License-Identifier: LGPL-2.1-or-later

unit_tests += tests/unit/t-copy-write-gather
tests_unit_t_copy_write_gather_SOURCES = tests/unit/t-copy-write-gather.c tests/unit/target-room.h
tests_unit_t_copy_write_gather_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_copy_write_gather_LDADD = $(UNIT_LIBS)


unit_tests += tests/unit/t-copy-requests
tests_unit_t_copy_requests_SOURCES = tests/unit/t-copy-requests.c tests/unit/copy-network.h
tests_unit_t_copy_requests_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_copy_requests_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-copy-whole
tests_unit_t_copy_whole_SOURCES = tests/unit/t-copy-whole.c tests/unit/copy-fixture.h \
	tests/unit/journal-fixture.h
tests_unit_t_copy_whole_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_copy_whole_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS) $(LIBDEFLATE_LIBS)
