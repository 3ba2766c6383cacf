#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The power of an NBD server fails at a request of chance, and a random part of what was not
# flushed is lost.  Either it comes back and the import goes on, or the import dies with it and is
# resumed: the disk is right in the end.  60 cuts; QIMPORT_TEST_LONG=1: 5,000.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
"$QIMPORT" --version | grep -q "no NBD" && skip_all "this build has no NBD"

say_seed
cuts=60
[ "${QIMPORT_TEST_LONG:-0}" = 0 ] || cuts=5000
[ -z "${QIMPORT_TEST_CUTS:-}" ] || cuts=$QIMPORT_TEST_CUTS

# A small disk: noise, holes, and noise at its beginning, which is held back.
dd if=/dev/urandom of="$scratch/guest" bs=64K count=40 status=none
dd if=/dev/urandom of="$scratch/guest" bs=64K count=30 seek=60 status=none
truncate -s 8M "$scratch/guest"
qemu-img convert -c -O qcow2 -o cluster_size=16K "$scratch/guest" "$scratch/image" || bail "qemu-img convert"
socket=$scratch/nbd.sock
uri="nbd+unix:///?socket=$socket"
disk=$scratch/disk
fast="-q --commit-interval 0.05 --retry-time 5"

power_on () { # [OPTION...]
  rm -f "$socket"
  python3 -IS "$top_srcdir/tests/tools/nbd-server.py" --socket "$socket" --file "$disk" --delay 0.006 "$@" \
    2>>"$scratch/server.err" &
  server=$!
  background
  for _ in $(seq 200); do
    [ -S "$socket" ] && return
    sleep 0.02
  done
  bail "the server does not start: $(cat "$scratch/server.err")"
}
power_off () {
  kill -9 "$server" 2>/dev/null
  wait "$server" 2>/dev/null
}
new_disk () {
  rm -f "$disk" "$QIMPORT_JOURNAL"*
  truncate -s 8M "$disk"
}
is_right () { # CUT HOW
  [ "$rc" = 0 ] && cmp -s "$scratch/guest" "$disk" && return
  note "cut $1, $2: exit status $rc: $(cat "$scratch/err")"
  wrong=$((wrong + 1))
}

new_disk
power_on --count "$scratch/count"
run qimport start $fast "$scratch/image" "$uri"
power_off
exits 0 "without a cut the import ends well"
assert_identical "$scratch/guest" "$disk" "what it called complete was flushed"
requests=$(cat "$scratch/count")
note "$requests requests"

wrong=0 n=0 went_on=0 resumed=0
while [ $n -lt "$cuts" ]; do
  n=$((n + 1))
  random_below "$requests"
  at=$((random + 1))
  random_below 1000000
  new_disk
  if [ $((n % 2)) = 0 ]; then
    power_on --cut $at --seed "$random" --again
    run qimport start $fast "$scratch/image" "$uri"
    power_off
    is_right $at "the server came back"
    went_on=$((went_on + 1))
  else
    power_on --cut $at --seed "$random"
    "$QIMPORT" start $fast "$scratch/image" "$uri" >/dev/null 2>&1 &
    pid=$!
    wait "$server"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    power_on
    run qimport ensure $fast "$scratch/image" "$uri"
    power_off
    is_right $at "both died"
    resumed=$((resumed + 1))
  fi
done 2>/dev/null
is $wrong 0 "after $went_on cuts that the import went on over, and $resumed that it died with, \
the disk is right"
done_testing
