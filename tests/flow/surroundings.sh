#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where a process finds itself: a user without a home, a unit of systemd, too few descriptors.  What
# it cannot have is said as what it is.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
truncate -s 1M guest.raw
qemu-img convert -q -O qcow2 guest.raw image.qcow2
chmod 711 "$scratch"
mkdir -m 777 home state
cp image.qcow2 home
nobody () { run setpriv --reuid 65534 --regid 65534 --clear-groups env -u QIMPORT_JOURNAL "$@"; }
nobody "$QIMPORT" --version
[ $rc = 0 ] || skip_all "nobody else may run $QIMPORT"

nobody HOME="$scratch/none" "$QIMPORT" start -q home/image.qcow2 home/disk
exits 7 "a home that cannot be made has no journal"
one_message "which one line says"
check "with the ways out" grep -q 'none: no directory can be made there; name another place with --journal PATH or .QIMPORT_JOURNAL' err
nobody HOME="$scratch/none" STATE_DIRECTORY="$scratch/state:$scratch/other" "$QIMPORT" start -q home/image.qcow2 home/disk
exits 0 "in a unit with a StateDirectory it is there"
check "in the first of them" [ -s state/journal.db ]
nobody HOME="$scratch/none" STATE_DIRECTORY="$scratch/state" "$QIMPORT" status --json
is "$(jq '.imports | length' out)" 1 "and found there again"
nobody HOME="$scratch/home" XDG_STATE_HOME="$scratch/home/xdg" STATE_DIRECTORY= "$QIMPORT" start -q home/image.qcow2 home/disk2
check "an empty one is none" [ -s home/xdg/qimport/journal.db ]
run env -u QIMPORT_JOURNAL STATE_DIRECTORY="$scratch/state" "$QIMPORT" --help
exits 0 "root has a place of its own"

told=0
for n in $(seq 9 24); do
  run sh -c "ulimit -n $n; exec \"\$0\" --journal '$scratch/few.db' start -q image.qcow2 disk" "$QIMPORT"
  rm -f few.db* disk disk.qimport-part
  [ $rc = 0 ] && break
  grep -q 'Too many open files' err && told=$((told + 1)) && continue
  [ $rc = 127 ] || not_ok "too few descriptors ($n) are told as that" "exit status $rc" "$(cat err)"
done
exits 0 "with $n descriptors it works"
check "with fewer it is told why ($told times)" [ $told -gt 0 ]
done_testing
