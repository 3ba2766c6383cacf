#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Wherever an import waits, for a buffer, for the disk, for the check of its journal, it can be ended:
# by a signal, by --max-time, and by the failure of what it waits for.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

shim=$scratch/slow-shim.so
${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$shim" "$top_srcdir/tests/tools/slow-shim.c" -ldl ||
  bail "cannot compile the shim"
ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
export ASAN_OPTIONS

# More than may wait for a sync, so that workers wait as well.
cd "$scratch" || exit 99
head -c 100663296 /dev/urandom >img.raw
qemu-img convert -q -O qcow2 img.raw img.qcow2
disk=$scratch/disk

begin () { # SOURCE: an import that is killed early
  rm -f "$disk"* "$QIMPORT_JOURNAL"*
  "$QIMPORT" start -q --memory 16M --limit-rate 20M --commit-interval 0.1 "$1" "$disk" <img.qcow2 &
  background
  for _ in $(seq 100); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 1000000 ] 2>/dev/null && break
    sleep 0.05
  done
  kill -9 $!
  wait $! 2>/dev/null
  sqlite3 "$QIMPORT_JOURNAL" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
}
alter () { sqlite3 "$QIMPORT_JOURNAL" "$1" || bail "sqlite3"; }

# Every one of these ends in time; what hangs is killed after 20 seconds, and did not.
# ends STATUS SENTENCE COMMAND...
ends () {
  want=$1 what=$2
  shift 2
  run timeout -k 1 20 "$@"
  exits "$want" "$what"
}
# stops SENTENCE COMMAND...: a signal two seconds after it began
stops () {
  what=$1
  shift
  "$@" >out 2>err </dev/null &
  pid=$!
  background
  sleep 2
  kill -TERM $pid
  for _ in $(seq 80); do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  kill -9 $pid 2>/dev/null
  wait $pid
  rc=$?
  exits 3 "$what"
}
resume="env LD_PRELOAD=$shim SLOW_CHECK_MS=60000 $QIMPORT resume -q --limit-rate 0"

# ---- a stream, whose segments wait for a buffer

begin -
cp "$QIMPORT_JOURNAL" good.db
alter 'UPDATE import SET segments_committed = segments_committed + 1'
timeout -k 1 20 env LD_PRELOAD="$shim" SLOW_CHECK_MS=1000 "$QIMPORT" resume -q --limit-rate 0 "$disk" <img.qcow2 2>err
is $? 7 "the check of the journal fails while a stream waits for a buffer"
one_message "with one line"
mkfifo silent
(exec 3>silent; head -c 400000 img.qcow2 >&3; exec sleep 30) &
background
timeout -k 1 20 env LD_PRELOAD="$shim" SLOW_CHECK_MS=1000 "$QIMPORT" resume -q --limit-rate 0 "$disk" <silent 2>err
is $? 7 "and while a pipe brings nothing"
one_message "with one line"
rm -f "$QIMPORT_JOURNAL"*
cp good.db "$QIMPORT_JOURNAL"
timeout -k 1 20 $resume --max-time 2 "$disk" <img.qcow2 2>err
is $? 3 "--max-time is over meanwhile"
mkfifo feed
(exec cat img.qcow2 >feed 2>/dev/null) &
background
stops "a signal comes meanwhile" sh -c 'exec "$@" <feed' sh $resume "$disk"
timeout -k 1 60 "$QIMPORT" resume -q --limit-rate 0 "$disk" <img.qcow2 2>err
is $? 0 "without any of it the resume ends with 0"
assert_identical "$disk" img.raw "and the disk is whole"

# ---- the disk, while workers wait for its sync

rm -f "$disk"* "$QIMPORT_JOURNAL"*
ends 6 "the disk fails while all wait for it" env LD_PRELOAD="$shim" SLOW_SYNC_MS=1000 SYNC_ERRNO=5 \
  "$QIMPORT" start -q --commit-interval 60 img.qcow2 "$disk"
rm -f "$disk"* "$QIMPORT_JOURNAL"*
timeout -k 1 20 env LD_PRELOAD="$shim" SLOW_SYNC_MS=1000 SYNC_ERRNO=5 \
  "$QIMPORT" start -q --commit-interval 60 - "$disk" <img.qcow2 2>err
is $? 6 "so it is for a stream"
rm -f "$disk"* "$QIMPORT_JOURNAL"*
ends 3 "--max-time is over while all wait for a slow disk" env LD_PRELOAD="$shim" SLOW_SYNC_MS=1500 \
  "$QIMPORT" start -q --max-time 2 --commit-interval 0.1 --memory 16M img.qcow2 "$disk"

# ---- the check, when nothing but it is left, or something else has failed

rm -f "$disk"* "$QIMPORT_JOURNAL"*
ends 9 "an import ends just before its last step" env LD_PRELOAD="$shim" EXIT_AT_RENAME=1 \
  "$QIMPORT" start -q img.qcow2 "$disk"
ends 3 "--max-time is over while only the check is left" $resume --max-time 2 "$disk"
stops "a signal comes while only the check is left" $resume "$disk"
begin img.qcow2
mv img.qcow2 away
ends 4 "the image is gone, and --max-time over before the check has its say" $resume --max-time 2 "$disk"
done_testing
