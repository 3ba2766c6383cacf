# SPDX-License-Identifier: LGPL-2.1-or-later
unit_tests += tests/unit/t-source-response
tests_unit_t_source_response_SOURCES = tests/unit/t-source-response.c
tests_unit_t_source_response_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_response_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-source-socket
tests_unit_t_source_socket_SOURCES = tests/unit/t-source-socket.c
tests_unit_t_source_socket_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_source_socket_LDADD = $(UNIT_LIBS)

EXTRA_DIST += tests/tools/lying-server.py
