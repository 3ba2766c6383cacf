# SPDX-License-Identifier: LGPL-2.1-or-later

unit_tests += tests/unit/t-import-merkle
tests_unit_t_import_merkle_SOURCES = tests/unit/t-import-merkle.c
tests_unit_t_import_merkle_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_import_merkle_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-import-gather
tests_unit_t_import_gather_SOURCES = tests/unit/t-import-gather.c tests/unit/target-room.h
tests_unit_t_import_gather_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_import_gather_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-import-options
tests_unit_t_import_options_SOURCES = tests/unit/t-import-options.c
tests_unit_t_import_options_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_import_options_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-import-phase
tests_unit_t_import_phase_SOURCES = tests/unit/t-import-phase.c
tests_unit_t_import_phase_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_import_phase_LDADD = $(UNIT_LIBS)
