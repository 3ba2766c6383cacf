# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += bench/README.md bench/answers.py bench/bench.sh bench/journal-time.c \
	bench/measure.py bench/tables-first.py

EXTRA_PROGRAMS += bench/decode
bench_decode_SOURCES = bench/decode.c
bench_decode_LDADD = librooms.la

bench/journal-time.so: bench/journal-time.c
	$(MKDIR_P) bench
	$(CC) $(AM_CPPFLAGS) $(CFLAGS) $(SQLITE_CFLAGS) -shared -fPIC -o $@ $(srcdir)/bench/journal-time.c

bench: all bench/decode bench/journal-time.so
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	  $(SHELL) $(srcdir)/bench/bench.sh

clean-local-bench:
	rm -rf bench-cache bench/journal-time.so bench/decode

clean-local: clean-local-bench

.PHONY: bench clean-local-bench
