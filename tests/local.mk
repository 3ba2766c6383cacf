# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every test, whatever it is written in, prints TAP.
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' CMOCKA_MESSAGE_OUTPUT=tap $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
LOG_COMPILER = $(SHELL) $(srcdir)/tests/unit/cmocka-tap
SH_LOG_DRIVER = $(TAP_DRIVER)
TEST_EXTENSIONS += .sh
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	CC='$(CC)'; SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)'; \
	export top_srcdir top_builddir CC SANITIZE_CFLAGS;

# The scripts are in one table, which configure reads.
# The longest first: at the end they would run alone.
TESTS += $(DURABILITY_TESTS) $(QUICK_TESTS)
test_files = $(wildcard $(addprefix $(srcdir)/tests/,*.sh controls/*.sh durability/*.sh flow/*.sh \
	flow/*.tsv long/*.sh tools/*.c tools/*.py tools/*.sh))
EXTRA_DIST += $(test_files:$(srcdir)/%=%) tests/TESTS tests/FAULTS.md tests/data \
	tests/durability/identity tests/tools/identity

include tests/durability/local.mk

# The suite of hours, not of minutes.
check-long:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(LONG_TESTS) $(DURABILITY_TESTS)' QIMPORT_TEST_LONG=1

installcheck-local:
	CC='$(CC)' SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)' $(SHELL) $(srcdir)/tests/installed.sh \
	  '$(DESTDIR)' '$(libdir)' '$(bindir)'

clean-local-tests-cache:
	rm -rf tests-cache

clean-local: clean-local-tests-cache

# The ten longest functions; the aim is 60 lines.
longest:
	@cd $(srcdir) && ctags --languages=C --kinds-C=f --fields=+ne -f - -R src | awk -F'\t' ' \
	  { for (i = 4; i <= NF; i++) { \
	      if ($$i ~ /^line:/) from = substr ($$i, 6); \
	      if ($$i ~ /^end:/) to = substr ($$i, 5) } \
	    print to - from + 1, $$2 ": " $$1 }' | sort -rn | head

.PHONY: check-long longest clean-local-tests-cache
