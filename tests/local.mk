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
TESTS += $(QUICK_TESTS) $(DURABILITY_TESTS)
test_files = $(wildcard $(addprefix $(srcdir)/tests/,*.sh controls/*.sh durability/*.sh flow/*.sh \
	flow/*.tsv long/*.sh tools/*.c tools/*.py tools/*.sh))
EXTRA_DIST += $(test_files:$(srcdir)/%=%) tests/TESTS tests/FAULTS.md tests/data \
	tests/durability/identity tests/tools/identity
# Flow tests run the program against a real server; tests/flow/lib.sh is what they share.  One
# file a line, so that two people can add one.
flow_tests =
flow_tests += tests/check-manual.sh
flow_tests += tests/completion.sh
flow_tests += tests/documents.sh
flow_tests += tests/faults.sh
flow_tests += tests/manuals.sh
flow_tests += tests/units.sh
flow_tests += tests/flow/accessible.sh
flow_tests += tests/flow/altered-rows.sh
flow_tests += tests/flow/bad-input.sh
flow_tests += tests/flow/bounds.sh
flow_tests += tests/flow/device-full.sh
flow_tests += tests/flow/device-import.sh
flow_tests += tests/flow/ownership.sh
flow_tests += tests/flow/chain-sizes.sh
flow_tests += tests/flow/cli-import.sh
flow_tests += tests/flow/cli-usage.sh
flow_tests += tests/flow/fleet.sh
flow_tests += tests/flow/import-identical.sh
flow_tests += tests/flow/interrupt.sh
flow_tests += tests/flow/journal-views.sh
flow_tests += tests/flow/kill-resume.sh
flow_tests += tests/flow/library.sh
flow_tests += tests/flow/many-imports.sh
flow_tests += tests/flow/memory.sh
flow_tests += tests/flow/messages.sh
flow_tests += tests/flow/mutations.sh
flow_tests += tests/flow/layers.sh
flow_tests += tests/flow/no-journal.sh
flow_tests += tests/flow/options-define.sh
flow_tests += tests/flow/options-url.sh
flow_tests += tests/flow/own-source.sh
flow_tests += tests/flow/newer.sh
flow_tests += tests/flow/published.sh
flow_tests += tests/flow/progress.sh
flow_tests += tests/flow/restart.sh
flow_tests += tests/flow/signed.sh
flow_tests += tests/flow/streams.sh
flow_tests += tests/flow/streams-broken.sh
flow_tests += tests/flow/streams-spool.sh
flow_tests += tests/flow/surroundings.sh
flow_tests += tests/flow/terminal.sh
flow_tests += tests/flow/typos.sh
flow_tests += tests/flow/waits.sh
flow_tests += tests/flow/zoo.sh
include tests/flow/proof.mk
include tests/flow/net.mk

build_tests = tests/rooms.sh tests/symbols.sh tests/header.sh
TESTS += $(build_tests) $(flow_tests)

long_tests = tests/long/main-job.sh
long_tests += tests/long/abi.sh
long_tests += tests/long/manifests.sh
long_tests += tests/long/coverage.sh tests/long/differential.sh tests/long/fuzz.sh
long_tests += tests/long/memory.sh
long_tests += tests/long/threads.sh
long_tests += tests/long/valgrind.sh
# Short in the quick suite, of full size here.
long_tests += tests/flow/chain-sizes.sh
long_tests += tests/flow/memory.sh tests/flow/net-latency.sh tests/flow/net-breaks.sh tests/flow/net-random.sh
long_tests += tests/flow/streams-broken.sh
EXTRA_DIST += $(build_tests) $(flow_tests) $(long_tests) tests/installed.sh \
	tests/flow/lib.sh tests/flow/serve.sh tests/flow/guest.sh tests/tools/library.c tests/tools/resume-with.c \
	tests/flow/mutations.tsv tests/flow/published.tsv tests/FAULTS.md tests/tools/at-prompt.py tests/tools/map-same.py \
	tests/tools/differential.py tests/tools/qcow2-scatter.py tests/tools/slow-shim.c

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
