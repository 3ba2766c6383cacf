# SPDX-License-Identifier: LGPL-2.1-or-later

unit_tests += tests/unit/t-base-hash
tests_unit_t_base_hash_SOURCES = tests/unit/t-base-hash.c
tests_unit_t_base_hash_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_base_hash_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/t-base-url
tests_unit_t_base_url_SOURCES = tests/unit/t-base-url.c
tests_unit_t_base_url_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_base_url_LDADD = $(UNIT_LIBS)
