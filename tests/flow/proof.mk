# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What proves afterwards what was put on which disk.
flow_tests += tests/flow/audit.sh
flow_tests += tests/flow/audit-journal.sh
flow_tests += tests/flow/checksum.sh
flow_tests += tests/flow/receipt.sh
flow_tests += tests/flow/report.sh
# What an earlier version left behind.
flow_tests += tests/flow/upgrade.sh
EXTRA_DIST += tests/tools/upgrade-fixture.sh tests/data
