# SPDX-License-Identifier: LGPL-2.1-or-later
unit_tests += tests/unit/t-target-file
tests_unit_t_target_file_SOURCES = tests/unit/t-target-file.c tests/unit/target-room.h
tests_unit_t_target_file_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_file_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-device
tests_unit_t_target_device_SOURCES = tests/unit/t-target-device.c tests/unit/target-room.h
tests_unit_t_target_device_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_device_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-faults
tests_unit_t_target_faults_SOURCES = tests/unit/t-target-faults.c tests/unit/target-room.h
tests_unit_t_target_faults_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_faults_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-refuse
tests_unit_t_target_refuse_SOURCES = tests/unit/t-target-refuse.c tests/unit/target-room.h
tests_unit_t_target_refuse_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_refuse_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-mounts
tests_unit_t_target_mounts_SOURCES = tests/unit/t-target-mounts.c tests/unit/target-room.h
tests_unit_t_target_mounts_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_mounts_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-again
tests_unit_t_target_again_SOURCES = tests/unit/t-target-again.c tests/unit/target-room.h
tests_unit_t_target_again_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_again_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-marker
tests_unit_t_target_marker_SOURCES = tests/unit/t-target-marker.c tests/unit/target-room.h
tests_unit_t_target_marker_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_marker_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-overlap
tests_unit_t_target_overlap_SOURCES = tests/unit/t-target-overlap.c tests/unit/target-room.h
tests_unit_t_target_overlap_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_overlap_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-target-kept
tests_unit_t_target_kept_SOURCES = tests/unit/t-target-kept.c tests/unit/target-room.h
tests_unit_t_target_kept_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_target_kept_LDADD = $(UNIT_LIBS)
