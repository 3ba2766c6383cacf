# SPDX-License-Identifier: LGPL-2.1-or-later
unit_tests += \
	tests/unit/t-unwrap-broken \
	tests/unit/t-unwrap-limits \
	tests/unit/t-unwrap-whole

tests_unit_t_unwrap_broken_SOURCES = tests/unit/t-unwrap-broken.c tests/unit/unwrap-fixture.h
tests_unit_t_unwrap_broken_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_unwrap_broken_LDADD = $(UNIT_LIBS)
tests_unit_t_unwrap_limits_SOURCES = tests/unit/t-unwrap-limits.c tests/unit/unwrap-fixture.h
tests_unit_t_unwrap_limits_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_unwrap_limits_LDADD = $(UNIT_LIBS)
tests_unit_t_unwrap_whole_SOURCES = tests/unit/t-unwrap-whole.c tests/unit/unwrap-fixture.h
tests_unit_t_unwrap_whole_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_unwrap_whole_LDADD = $(UNIT_LIBS)
