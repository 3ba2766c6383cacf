# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A unit test is a cmocka program that prints TAP, and is made of the file of its name; it sees
# every symbol of the rooms.  One a line, so that two people can add one.
unit_tests =
unit_tests += tests/unit/t-base-hash
unit_tests += tests/unit/t-base-url
unit_tests += tests/unit/t-copy-committer
unit_tests += tests/unit/t-copy-hash-pair
unit_tests += tests/unit/t-copy-image-hash
unit_tests += tests/unit/t-copy-outlets
unit_tests += tests/unit/t-copy-pool
unit_tests += tests/unit/t-copy-requests
unit_tests += tests/unit/t-copy-segment-writer
unit_tests += tests/unit/t-copy-whole
unit_tests += tests/unit/t-copy-worker
unit_tests += tests/unit/t-copy-write-gather
unit_tests += tests/unit/t-copy-zeros
unit_tests += tests/unit/t-forward-pipes
unit_tests += tests/unit/t-forward-whole
unit_tests += tests/unit/t-image-open
unit_tests += tests/unit/t-image-walk
unit_tests += tests/unit/t-import-merkle
unit_tests += tests/unit/t-import-network
unit_tests += tests/unit/t-import-options
unit_tests += tests/unit/t-import-phase
unit_tests += tests/unit/t-import-signed
unit_tests += tests/unit/t-import-stories
unit_tests += tests/unit/t-import-targets
unit_tests += tests/unit/t-journal-commit
unit_tests += tests/unit/t-journal-database
unit_tests += tests/unit/t-journal-import
unit_tests += tests/unit/t-journal-lock
unit_tests += tests/unit/t-journal-map
unit_tests += tests/unit/t-journal-sql
unit_tests += tests/unit/t-qcow2-decode
unit_tests += tests/unit/t-qcow2-glance
unit_tests += tests/unit/t-qcow2-header
unit_tests += tests/unit/t-qcow2-map
unit_tests += tests/unit/t-qcow2-snapshot
unit_tests += tests/unit/t-source-fetch
unit_tests += tests/unit/t-source-kinds
unit_tests += tests/unit/t-source-lies
unit_tests += tests/unit/t-source-response
unit_tests += tests/unit/t-target-again
unit_tests += tests/unit/t-target-device
unit_tests += tests/unit/t-target-faults
unit_tests += tests/unit/t-target-file
unit_tests += tests/unit/t-target-kept
unit_tests += tests/unit/t-target-marker
unit_tests += tests/unit/t-target-mounts
unit_tests += tests/unit/t-target-overlap
unit_tests += tests/unit/t-target-refuse
unit_tests += tests/unit/t-trust-checksums
unit_tests += tests/unit/t-trust-json
unit_tests += tests/unit/t-trust-signature
unit_tests += tests/unit/t-unwrap-broken
unit_tests += tests/unit/t-unwrap-limits
unit_tests += tests/unit/t-unwrap-whole
unit_tests += tests/unit/t-verify-samples

tests_unit_t_source_fetch_SOURCES = tests/unit/t-source-fetch.c tests/unit/source-fixture.c
tests_unit_t_source_lies_SOURCES = tests/unit/t-source-lies.c tests/unit/source-fixture.c
tests_unit_t_source_kinds_SOURCES = tests/unit/t-source-kinds.c tests/unit/source-fixture.c

tests_unit_t_copy_committer_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_image_hash_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_outlets_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_segment_writer_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_whole_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_worker_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)
tests_unit_t_copy_zeros_LDADD = $(LDADD) $(SQLITE_LIBS) $(DEFLATE_LIBS)

LDADD = librooms.la $(CMOCKA_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
unit_headers = $(wildcard $(srcdir)/tests/unit/*.h)
EXTRA_DIST += tests/unit/cmocka-tap $(unit_headers:$(srcdir)/%=%)

# The room qcow2 alone, as a program; two flows hold it against qemu-img.
check_PROGRAMS += tests/tools/qcow2-decode
tests_tools_qcow2_decode_LDADD = librooms.la
