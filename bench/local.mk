# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += bench/README.md bench/answers.py bench/bench.sh bench/measure.py \
	bench/tables-first.py

EXTRA_PROGRAMS += bench/decode
bench_decode_SOURCES = bench/decode.c
bench_decode_LDADD = librooms.la

EXTRA_PROGRAMS += bench/floor
bench_floor_SOURCES = bench/floor.c
bench_floor_LDADD = librooms.la

check_PROGRAMS += bench/unwrap
bench_unwrap_SOURCES = bench/unwrap.c
bench_unwrap_LDADD = librooms.la

check_PROGRAMS += bench/import bench/import-no-journal
bench_import_SOURCES = bench/import.c
bench_import_LDADD = librooms.la
bench_import_no_journal_SOURCES = bench/import.c bench/no-journal.c
bench_import_no_journal_LDADD = librooms.la

bench: all bench/decode bench/floor bench/import bench/import-no-journal
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	  $(SHELL) $(srcdir)/bench/bench.sh

clean-local-bench:
	rm -rf bench-cache bench/decode bench/floor

clean-local: clean-local-bench

.PHONY: bench clean-local-bench
