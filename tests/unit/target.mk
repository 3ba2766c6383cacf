# SPDX-License-Identifier: LGPL-2.1-or-later
unit_tests += tests/unit/t-target-file
tests_unit_t_target_file_SOURCES = tests/unit/t-target-file.c tests/unit/target-room.h
tests_unit_t_target_file_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_file_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-device
tests_unit_t_target_device_SOURCES = tests/unit/t-target-device.c tests/unit/target-room.h
tests_unit_t_target_device_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_device_LDADD = $(UNIT_LIBS)
