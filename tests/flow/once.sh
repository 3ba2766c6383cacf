#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A caller that cannot resume: with --once nothing of an import that does not complete stays, in the
# journal or on disk, and the same target can be started again at once, however it ended; start
# --force takes the place of an interrupted one.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

feed=$top_srcdir/tests/tools/feed.py
writer=$top_srcdir/tests/tools/qcow2-writer.py
mkdir "$scratch/target"
disk=$scratch/target/disk
cd "$scratch" || exit 99
fed () { run python3 "$feed" "$@"; }
imports () { qimport status --json | jq '.imports | length'; }
nothing () {
  is "$(imports)" 0 "$1: the journal has nothing of it"
  is "$(ls -A target)" "" "$1: nor has the disk"
}

python3 "$writer" --cluster-bits 16 --size 8388608 --mix data=1 --layout tables-first i raw
size=$(size_of i)
head -c $((size / 2)) i >cut
python3 "$writer" --cluster-bits 16 --size 8388608 --mix data=1 --layout tables-last --seed 3 late late.raw
head -c $(($(size_of late) / 2)) late >late.cut

# killed STEP: it is copying, and then gets SIGNAL
stopped () { # IMAGE SIGNAL TARGET
  python3 "$feed" socket --stay "$1" "$QIMPORT" start -q --once --commit-interval 0.1 - "$3" 2>err &
  feeder=$!
  background
  for _ in $(seq 300); do
    qimport status "$3" --json >now 2>/dev/null &&
      jq -e '.bytes.guest_committed > 0' now >/dev/null && break
    sleep 0.1
  done
  pid=$(qimport status "$3" | sed -n 's/.*pid \([0-9]*\) .*/\1/p')
  kill "-$2" "$pid"
  wait $feeder
  rc=$?
}

fed socket cut "$QIMPORT" start -q --once - "$disk"
exits 3 "an image that is cut"
one_message "is told in one line"
check "which says that nothing is kept, and of no resume" sh -c 'grep -q "nothing of it is kept" err && ! grep -q resume err'
nothing "cut"
fed socket late.cut "$QIMPORT" start -q --once - "$disk"
exits 3 "one that waited for its tables"
nothing "waiting"
fed socket i "$QIMPORT" start -q --once --sha256 "$(printf %064d 1)" - "$disk"
exits 4 "one with a wrong checksum"
nothing "checksum"
stopped cut TERM "$disk"
is $rc 3 "one that is interrupted"
nothing "interrupted"
stopped cut KILL "$disk"
check "one that is killed leaves something" [ "$(imports)" = 1 ]
fed socket i "$QIMPORT" start -q --once - "$disk"
exits 0 "but the next start of the same target is none the wiser"
assert_identical "$disk" raw "and the disk is as it must be"
is "$(imports)" 1 "one import is in the journal"
qimport forget "$disk"
rm -f "$disk"

fed socket cut "$QIMPORT" start -q - "$disk"
exits 3 "without --once an import is interrupted"
fed socket i "$QIMPORT" start -q --once - "$disk"
exits 6 "which another does not replace"
check "and says how to" grep -q 'start --force replaces it' err
fed socket i "$QIMPORT" start --force - "$disk"
exits 0 "but with --force"
check "and says so" grep -q 'replaces the interrupted import' err
assert_identical "$disk" raw "and the disk is as it must be"
is "$(imports)" 1 "one import is in the journal"
qimport forget "$disk"
rm -f "$disk"

python3 "$feed" socket --stay cut "$QIMPORT" start -q - "$disk" 2>/dev/null &
background
for _ in $(seq 300); do
  [ "$(import_of "$disk" '.bytes.guest_committed > 0' 2>/dev/null)" = true ] && break
  sleep 0.1
done
fed socket i "$QIMPORT" start -q --force - "$disk"
check "one that runs is not replaced ($rc)" [ $rc = 6 -o $rc = 7 ]
kill -TERM "$(qimport status "$disk" | sed -n 's/.*pid \([0-9]*\) .*/\1/p')"
wait $!
qimport forget "$disk"
rm -f target/*

if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null; then
  head -c 16777216 /dev/zero >file
  loop=$(losetup -f --show file) || bail "losetup"
  trap 'losetup -d "$loop"; finish' EXIT
  fed socket cut "$QIMPORT" start -q --once - "$loop"
  exits 3 "device: an image that is cut"
  is "$(imports)" 0 "device: the journal has nothing of it"
  check "device: its first sector is what it was" cmp -n 512 "$loop" /dev/zero
  fed socket i "$QIMPORT" start -q --once - "$loop"
  exits 0 "device: the next needs no --force"
  check "device: the disk is as it must be" cmp -n 8388608 "$loop" raw
  qimport forget "$loop"
  dd if=/dev/zero of="$loop" bs=1M count=16 status=none
  stopped cut KILL "$loop"
  check "device: one that is killed leaves its marker" grep -q qimport "$loop"
  fed socket cut "$QIMPORT" start -q --once - "$loop"
  exits 3 "device: the next begins all the same"
  fed socket i "$QIMPORT" start -q --once - "$loop"
  exits 0 "device: as does the one after that"
  check "device: the disk is as it must be then" cmp -n 8388608 "$loop" raw
else
  skip "a device" "it needs root and losetup"
fi
done_testing
