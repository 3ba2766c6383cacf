#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What waits for its table in a stream: nothing where the tables come first, else no more than has
# no place yet; beside the target, without a name, gone at every end; also killed, and where the
# disk gets full.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

writer=$top_srcdir/tests/tools/qcow2-writer.py
mkdir "$scratch/target"
disk=$scratch/target/disk
cd "$scratch" || exit 99

# made LAYOUT: 12 MiB or so of clusters, none compressed
made () { # LAYOUT OPTIONS...
  layout=$1
  shift
  python3 "$writer" --layout "$layout" --cluster-bits 12 --size 16777216 --mix data=3,hole=1 \
    --seed 5 "$@" i raw || bail "the writer fails"
}
spooled () { qimport log "$disk" --json | jq -r '[.events[] | select(.kind == "spooled") | .detail][0]'; }
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
pipe () { # COMMAND FILE OPTIONS...
  command=$1 file=$2
  shift 2
  if [ "$command" != resume ]; then set -- "$@" -; fi
  "$QIMPORT" "$command" -q "$@" "$disk" <"$file" >out 2>err
  rc=$?
}

for layout in tables-first interleaved l2-reversed tables-last; do
  made $layout
  size=$(size_of i)
  pipe start i
  exits 0 "$layout: a pipe is imported"
  assert_identical "$disk" raw "$layout: the disk is as it must be"
  n=$(spooled | cut -d' ' -f1)
  # A piece of the stream is 1 MiB; the header's and the refcounts' clusters come with the first.
  case $layout in
    tables-first) most=0 least=0 ;;
    interleaved) most=65536 least=0 ;;
    *) most=$size least=$((size / 2)) ;;
  esac
  check "$layout: of $size bytes $n waited, at most $most" [ "$n" -ge $least -a "$n" -le $most ]
  is "$(ls -A target)" disk "$layout: nothing else is left beside the target"
  fresh
done

# Killed while all of it waits, and while it goes to its place.
made tables-last
mkfifo feed
for ms in 100 400 800 1200; do
  python3 -c '
import os, sys, time
data = open("i", "rb").read()
step = len(data) // 50
for at in range(0, len(data), step):
    os.write(1, data[at:at + step])
    time.sleep(0.02)' >feed 2>/dev/null &
  background
  "$QIMPORT" start -q --commit-interval 0.1 - "$disk" <feed 2>err &
  background
  kill_after_ms $! $ms
  check "killed after $ms ms: the spool is gone" [ -z "$(find target ! -name 'disk*' -type f)" ]
  case $(qimport status --json | jq -r '.imports[0].state // "none"') in
    none) how=start ;;
    complete) how=ensure ;; # the kill came too late
    *) how=resume ;;
  esac
  pipe $how i
  exits 0 "killed after $ms ms: $how ends it"
  assert_identical "$disk" raw "killed after $ms ms: the disk is as it must be"
  fresh
done

if [ "$(id -u)" != 0 ]; then
  skip "a spool on a full disk" "mounting needs root"
else
  trap 'umount "$scratch/target" 2>/dev/null; finish' EXIT
  mount -t tmpfs -o size=6M none target
  pipe start i
  exits 3 "a disk that the spool fills ends with 3"
  check "the message says so, and what to do" grep -q 'spool.*make space and resume' err
  is "$(wc -l <err)" 1 "in one line"
  check "the spool is gone" [ "$(df -k --output=used target | tail -n 1)" -lt 1024 ]
  mount -o remount,size=64M target
  pipe resume i
  exits 0 "with more room a resume ends it"
  assert_identical "$disk" raw "and the disk is as it must be"
fi
done_testing
