# SPDX-License-Identifier: LGPL-2.1-or-later

unit_tests += tests/unit/t-copy-write-gather
tests_unit_t_copy_write_gather_SOURCES = tests/unit/t-copy-write-gather.c tests/unit/target-room.h
tests_unit_t_copy_write_gather_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_copy_write_gather_LDADD = $(UNIT_LIBS)

