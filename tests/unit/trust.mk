# SPDX-License-Identifier: LGPL-2.1-or-later

unit_tests += tests/unit/t-trust-checksums tests/unit/t-trust-json tests/unit/t-trust-signature

tests_unit_t_trust_checksums_SOURCES = tests/unit/t-trust-checksums.c
tests_unit_t_trust_checksums_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_trust_checksums_LDADD = $(UNIT_LIBS)
tests_unit_t_trust_json_SOURCES = tests/unit/t-trust-json.c
tests_unit_t_trust_json_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_trust_json_LDADD = $(UNIT_LIBS)
tests_unit_t_trust_signature_SOURCES = tests/unit/t-trust-signature.c
tests_unit_t_trust_signature_CPPFLAGS = $(AM_CPPFLAGS)
tests_unit_t_trust_signature_LDADD = $(UNIT_LIBS)
