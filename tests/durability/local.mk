# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a crash, a power cut or a failing call may not do.  Each prints TAP; samples in make check,
# all of it with QIMPORT_TEST_LONG=1 (make check-durability).
durability_tests =
durability_tests += tests/durability/device-again.sh
durability_tests += tests/durability/every-call-fails.sh
durability_tests += tests/durability/failing-disk.sh
durability_tests += tests/durability/identity-model.sh
durability_tests += tests/durability/journal-faults.sh
durability_tests += tests/durability/kill-every-step.sh
durability_tests += tests/durability/namespaces.sh
durability_tests += tests/durability/order.sh
durability_tests += tests/durability/power-loss.sh
durability_tests += tests/durability/process.sh
durability_tests += tests/durability/sync-fails.sh
durability_tests += tests/durability/two-processes.sh
durability_tests += tests/controls/run.sh
durability_tools = tests/durability/crash.sh
durability_tools += tests/tools/fault-shim.c tests/tools/at-call.c tests/tools/committed.py tests/tools/order.py \
	tests/tools/power-loss.py tests/tools/recorder.py tests/tools/spoil.py tests/tools/locks.py
# The model of identity; what is in these directories belongs to it.
durability_tools += tests/tools/identity-model.py tests/tools/identity tests/durability/identity

TESTS += $(durability_tests)
EXTRA_DIST += $(durability_tests) $(durability_tools)

# The program with the bug CONTROL, from the objects of this build but for the files that have it.
control_compile = $(CC) $(DEFS) $(DEFAULT_INCLUDES) $(INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) \
	$(AM_CFLAGS) $(CFLAGS)
control_dir = tests/controls/$(CONTROL)
control-build:
	@test -n '$(CONTROL)' && test -f .libs/librooms.a && rm -rf $(control_dir) && \
	  $(MKDIR_P) $(control_dir)
	@bug=SEEDED_BUG_`echo '$(CONTROL)' | tr a-z- A-Z_`; \
	  for f in `cd $(srcdir) && grep -rlw --include='*.c' $$bug src`; do \
	    $(control_compile) -D$$bug -c -o $(control_dir)/`basename $$f .c`.o $(srcdir)/$$f || exit 1; \
	  done
	@$(CC) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) -o $(control_dir)/qimport \
	  $(qimport_OBJECTS) $(control_dir)/*.o .libs/librooms.a $(room_libs) $(LIBS)

clean-local-controls:
	cd tests/controls 2>/dev/null && rm -rf no-* commit-* fsync-* complete-* row-* option-* || :
clean-local: clean-local-controls

check-durability:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(durability_tests)' QIMPORT_TEST_LONG=1

.PHONY: check-durability control-build clean-local-controls
