# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += bench/bench.sh bench/measure.py bench/README.md

bench: all
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
	  $(SHELL) $(srcdir)/bench/bench.sh

clean-local-bench:
	rm -rf bench-cache

clean-local: clean-local-bench

.PHONY: bench clean-local-bench
