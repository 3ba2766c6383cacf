# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A unit test is a cmocka program that prints TAP; it sees every symbol of the rooms.  A room
# names its tests in its own .mk:  unit_tests += tests/unit/t-ROOM-...
unit_tests =
include tests/unit/base.mk
include tests/unit/source.mk
include tests/unit/unwrap.mk
include tests/unit/qcow2.mk
include tests/unit/journal.mk
include tests/unit/target.mk
include tests/unit/trust.mk
include tests/unit/copy.mk
include tests/unit/import.mk

EXTRA_DIST += tests/unit/cmocka-tap
UNIT_LIBS = librooms.la $(CMOCKA_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
