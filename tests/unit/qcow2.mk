# SPDX-License-Identifier: LGPL-2.1-or-later
unit_tests += \
	tests/unit/t-qcow2-decode \
	tests/unit/t-qcow2-glance \
	tests/unit/t-qcow2-header \
	tests/unit/t-qcow2-map \
	tests/unit/t-qcow2-snapshot

tests_unit_t_qcow2_decode_SOURCES = tests/unit/t-qcow2-decode.c tests/unit/qcow2-image.h
tests_unit_t_qcow2_decode_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_qcow2_decode_LDADD = $(UNIT_LIBS)
tests_unit_t_qcow2_glance_SOURCES = tests/unit/t-qcow2-glance.c tests/unit/qcow2-image.h
tests_unit_t_qcow2_glance_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_qcow2_glance_LDADD = $(UNIT_LIBS)
tests_unit_t_qcow2_header_SOURCES = tests/unit/t-qcow2-header.c tests/unit/qcow2-image.h
tests_unit_t_qcow2_header_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_qcow2_header_LDADD = $(UNIT_LIBS)
tests_unit_t_qcow2_map_SOURCES = tests/unit/t-qcow2-map.c tests/unit/qcow2-image.h
tests_unit_t_qcow2_map_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_qcow2_map_LDADD = $(UNIT_LIBS)
tests_unit_t_qcow2_snapshot_SOURCES = tests/unit/t-qcow2-snapshot.c tests/unit/qcow2-image.h
tests_unit_t_qcow2_snapshot_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_qcow2_snapshot_LDADD = $(UNIT_LIBS)

# The room alone, as a program; two flows hold it against qemu-img.
check_PROGRAMS += tests/tools/qcow2-decode
tests_tools_qcow2_decode_SOURCES = tests/tools/qcow2-decode.c
tests_tools_qcow2_decode_CPPFLAGS = $(AM_CPPFLAGS)
tests_tools_qcow2_decode_LDADD = librooms.la
