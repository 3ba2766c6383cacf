#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The power fails at any instant of an import that is also killed and resumed: on ext4 and xfs, with
# the journal and the target on one recorded disk, whatever of the writes since the last flush
# reached it: the journal is sound, all it calls committed is on the target, what was told is true,
# and a resume ends identical (J1, W1, W2, W3, W5, W6, W7).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "mounting needs root"
needs qemu-storage-daemon losetup mkfs.ext4 mount
[ -c /dev/fuse ] || skip_all "no /dev/fuse"
. "$top_srcdir/tests/durability/crash.sh"

if [ "$long" = 0 ]; then
  states=${QIMPORT_TEST_STATES:-150} rounds=${QIMPORT_TEST_ROUNDS:-5}
else
  states=${QIMPORT_TEST_STATES:-5000} rounds=${QIMPORT_TEST_ROUNDS:-60}
fi
tool at-call
at_call=$tool
small_image
say_seed
# The states live in memory where there is room for them.
memory=$(mktemp -d /dev/shm/qimport-power.XXXXXX) || bail "no room in /dev/shm"
mnt=$scratch/mnt
mkdir "$mnt"
daemon= loop=

undo () {
  umount "$mnt" 2>/dev/null
  [ -z "$loop" ] || losetup -d "$loop" 2>/dev/null
  loop=
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; }
  daemon=
}
trap 'undo; umount "$memory/dev" 2>/dev/null; rm -rf "$memory"; finish' EXIT

make_fs () {
  truncate -s "${2}M" "$memory/back" &&
  case $1 in
    ext4) guest_sbin mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard \
            -J size=4 "$memory/back" ;;
    xfs) guest_sbin mkfs.xfs -q -f -K --unsupported "$memory/back" 2>/dev/null >&2 ||
           guest_sbin mkfs.xfs -q -f -K "$memory/back" ;;
  esac && cp --sparse=always "$memory/back" "$memory/base"
}

attach () { # FS
  truncate -s 2G "$memory/log"
  : >"$memory/dev"
  qemu-storage-daemon \
    --blockdev driver=file,node-name=f0,filename="$memory/back" \
    --blockdev driver=file,node-name=log0,filename="$memory/log" \
    --blockdev driver=blklogwrites,node-name=lw,file=f0,log=log0 \
    --export type=fuse,id=e0,node-name=lw,mountpoint="$memory/dev",writable=on,growable=off \
    2>"$scratch/daemon" &
  daemon=$!
  background
  for _ in $(seq 100); do
    [ "$(size_of "$memory/dev")" -gt 0 ] && break
    kill -0 $daemon 2>/dev/null || return 1
    sleep 0.05
  done
  loop=$(losetup -f --show "$memory/dev") && mount -t "$1" "$loop" "$mnt"
}

record () { # FS
  attach "$1" || return 1
  "$at_call" -k 85 "$QIMPORT" start -q --journal "$mnt/j.db" $slowly "$image" "$mnt/disk" \
    2>"$scratch/err"
  [ $? = 137 ] || return 1
  "$QIMPORT" resume -q --journal "$mnt/j.db" "$mnt/disk" 2>"$scratch/err" || return 1
  told=$("$top_srcdir/tests/tools/power-loss.py" --count --log "$memory/log")
  # Something must come after it, or the last state is the only one in which it was told.
  for k in 1 2 3 4 5; do echo $k >"$mnt/later.$k"; sync -f "$mnt"; done
  undo
}

on () { # FS MIB SEED STATES
  make_fs "$1" "$2" || { skip "$1: power loss" "no $1 can be made"; return; }
  if ! record "$1"; then
    why="$(cat "$scratch/daemon" "$scratch/err")"
    undo
    grep -qi fuse "$scratch/daemon" && { skip "$1: power loss" "$why"; return; }
    not_ok "$1: an import is recorded" "$why"
    return
  fi
  "$top_srcdir/tests/tools/power-loss.py" --base "$memory/base" --log "$memory/log" --fs "$1" \
    --mount "$mnt" --states "$4" --seed "$3" --journal j.db --target disk \
    --expected "$expected" --told "$told" --resume-every 15 --image "$image" >"$scratch/verdict" 2>&1
  note "$1, seed $3: $(tail -n 1 "$scratch/verdict")"
  if grep -q "^$4 states, .* 0 violations" "$scratch/verdict"; then
    ok "$1: after none of $4 power cuts is anything committed that is not on the disk"
  else
    not_ok "$1: after none of $4 power cuts is anything committed that is not on the disk" \
      "$(cat "$scratch/verdict")"
  fi
  rm -f "$memory"/*
}

# So that there are several commits.
slowly="--commit-interval 0.1 --limit-rate 16M"

# The journal is on a disk of its own that keeps every write; the target's keeps what was
# flushed, and some of the rest: the worst case for J1.  Killed at the moment of the cut.
two_disks () { # FS MIB ROUNDS STATES
  wrong='' seen=0
  fresh
  "$at_call" -l "$scratch/calls" "$QIMPORT" start -q $slowly "$image" "$disk" 2>"$scratch/err"
  first=$(awk '/pwrite.* .*part$/ { print $1; exit }' "$scratch/calls")
  last=$(awk '/rename/ { print $1; exit }' "$scratch/calls")
  for round in $(seq "$3"); do
    rm -f "$journal"*
    make_fs "$1" "$2" && attach "$1" || { undo; skip "$1: two disks" "no recorder"; return; }
    random_below $((last - first))
    at=$((first + random + 1))
    "$at_call" -k $at "$QIMPORT" start -q $slowly "$image" "$mnt/disk" 2>"$scratch/err" </dev/null
    point=$("$top_srcdir/tests/tools/power-loss.py" --count --log "$memory/log")
    undo
    "$top_srcdir/tests/tools/power-loss.py" --base "$memory/base" --log "$memory/log" --fs "$1" \
      --mount "$mnt" --states "$4" --seed "$((seed + round))" --journal "$journal" --target disk \
      --expected "$expected" --point "$point" --resume-every "$4" --image "$image" \
      >"$scratch/verdict" 2>&1
    grep -q "^$4 states, .* 0 violations" "$scratch/verdict" ||
      wrong="$wrong$1, killed at step $at, entry $point: $(cat "$scratch/verdict")
"
    seen=$((seen + $4))
    rm -f "$memory"/*
  done
  is "$wrong" "" "$1: nor in $seen states of a disk apart from its journal's, which lost nothing"
}

for fs in ext4 xfs; do
  size=40
  [ $fs = ext4 ] || size=64
  left=$states
  while [ "$left" -gt 0 ]; do # a recording for every 500
    some=$((left > 500 ? 500 : left))
    on $fs $size "$seed" $some
    random_below 1000
    left=$((left - some))
  done
  two_disks $fs $size $rounds 6
done
done_testing
