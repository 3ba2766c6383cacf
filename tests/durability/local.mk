# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a crash, a power cut or a failing call may not do: samples in make check, all of it with
# QIMPORT_TEST_LONG=1 (make check-durability); and programs with a bug that a test must catch.

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
	cd tests/controls 2>/dev/null && rm -rf ./*/ || :
clean-local: clean-local-controls

check-durability:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(DURABILITY_TESTS)' QIMPORT_TEST_LONG=1

.PHONY: check-durability control-build clean-local-controls
