#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The units of systemd are what systemd takes for units, are sandboxed, and treat the exit
# statuses as the contract means them.  Nothing is started.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"
units=$top_builddir/etc/systemd
[ -s "$units/qimport-resume.service" ] || bail "the units are not built"

mkdir -p "$scratch/root/usr/bin" "$scratch/root/etc/systemd/system"
cp "$units/qimport-resume.service" "$units/qimport@.service" "$scratch/"
# verify wants the program to be there.
for unit in qimport-resume.service qimport@.service; do
  sed -i "s|^ExecStart=[^ ]*|ExecStart=$(command -v true)|" "$scratch/$unit"
done
cp "$scratch/qimport@.service" "$scratch/qimport@base.service"
for unit in qimport-resume.service qimport@base.service; do
  check "$unit has its program under bindir" grep -q '^ExecStart=/.*/qimport ' "$units/$(echo $unit | sed 's/base//')"
  check "nothing in $unit is left to be filled in" sh -c '! grep -n "@[a-zA-Z]*@" "$1"' - "$scratch/$unit"
  is "$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$scratch/$unit" 2>&1 |
    grep -F "${unit%%[.@]*}")" "" "systemd-analyze verify has nothing to say about $unit"
  score=$(systemd-analyze security --offline=yes --no-pager "$scratch/$unit" 2>&1 |
    sed -n 's/.*Overall exposure level for .*: \([0-9.]*\).*/\1/p')
  note "exposure of $unit: $score"
  check "and its exposure is below 5 of 10" awk -v s="$score" 'BEGIN { exit !(s != "" && s < 5) }'
done
check "both say how far they are, and that they work" \
  sh -c 'grep -qx Type=notify "$1" && grep -qx Type=notify "$2" && grep -q ^WatchdogSec "$2"' - \
  "$units/qimport@.service" "$units/qimport-resume.service"
check "an import that was only interrupted is no failed resume" \
  grep -qx 'SuccessExitStatus=3' "$units/qimport-resume.service"
check "but no disk is said to be there" sh -c '! grep -q "^SuccessExitStatus" "$1"' - "$units/qimport@.service"
check "what is refused is not tried for ever" \
  grep -qx 'RestartPreventExitStatus=2 4 5 6' "$units/qimport@.service"
done_testing
