#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The power fails at any instant of an import that is also killed and resumed, on ext4 and on xfs:
# with journal and target on one disk, on a disk each, and with a device as target.  Whatever of the
# writes since the last flush of its disk survived: the journal is sound, all it calls committed is
# on the target, what was told is true, and a resume ends identical (J1, J3, W1 to W3, W5 to W8,
# SQ13).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
[ -c /dev/fuse ] || skip_all "no /dev/fuse"
. "$top_srcdir/tests/durability/crash.sh"

# How many states of each: one disk, two disks, a device; and on each file system.
if [ "$long" = 0 ]; then states=${QIMPORT_TEST_STATES:-"120 40 60"}
else states=${QIMPORT_TEST_STATES:-"2500 1000 1500"}; fi
tool at-call
at_call=$tool
# The leak check traces as well.
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
small_image
say_seed
# The states live in memory where there is room for them.
memory=$(mktemp -d /dev/shm/qimport-power.XXXXXX) || bail "no room in /dev/shm"
mnt=$scratch/mnt far=$scratch/far link=$scratch/device
mkdir "$mnt" "$far"
recorder= loops=
# So that there are several commits.
slowly="--commit-interval 0.1 --limit-rate 16M"

undo () {
  for m in "$far" "$mnt"; do umount "$m" 2>/dev/null; done
  for l in $loops; do losetup -d "$l" 2>/dev/null; done
  loops=
  umount "$memory/dev" 2>/dev/null
  [ -z "$recorder" ] || { kill "$recorder" 2>/dev/null; wait "$recorder" 2>/dev/null; }
  recorder=
}
trap 'undo; umount "$memory/dev" 2>/dev/null; rm -rf "$memory"; finish' EXIT

make_disk () { # NAME KIND: $memory/NAME, empty, with a copy of it in NAME.base
  case $2 in
    ext4) truncate -s 40M "$memory/$1" &&
      guest_sbin mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard \
        -J size=4 "$memory/$1" ;;
    xfs) truncate -s 64M "$memory/$1" &&
      { guest_sbin mkfs.xfs -q -f -K --unsupported "$memory/$1" 2>/dev/null >&2 ||
        guest_sbin mkfs.xfs -q -f -K "$memory/$1"; } ;;
    raw) head -c 8M /dev/zero | tr '\0' '\252' >"$memory/$1" ;;
  esac && cp --sparse=always "$memory/$1" "$memory/$1.base" && : >"$memory/$1.base.state"
}

wait_for () { # COMMAND...
  for _ in $(seq 100); do
    "$@" && return 0
    kill -0 $recorder 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}
has_size () { [ "$(size_of "$1")" -gt 0 ]; }

# One disk, recorded by qemu.
record_one () {
  truncate -s 2G "$memory/log"
  : >"$memory/dev"
  qemu-storage-daemon \
    --blockdev driver=file,node-name=f0,filename="$memory/a" \
    --blockdev driver=file,node-name=log0,filename="$memory/log" \
    --blockdev driver=blklogwrites,node-name=lw,file=f0,log=log0 \
    --export type=fuse,id=e0,node-name=lw,mountpoint="$memory/dev",writable=on,growable=off \
    2>"$scratch/recorder" &
  recorder=$!
  background
  wait_for has_size "$memory/dev"
}

# Disks a and b in one log, in the order in which things happened to them.
record_two () {
  mkdir -p "$memory/dev"
  : >"$scratch/recorder"
  "$top_srcdir/tests/tools/recorder.py" "$memory/log" "$memory/dev" a="$memory/a" \
    b="$memory/b@$(stat -c %i "$memory/b.base.state")" >"$scratch/recorder" 2>&1 &
  recorder=$!
  background
  wait_for grep -q ready "$scratch/recorder"
}

put () { # IMAGE KIND WHERE [OPTIONS]: a device of it is mounted there, or linked
  loop=$(losetup -f --show "$1") || return 1
  loops="$loop $loops"
  case $2 in
    raw) ln -sf "$loop" "$3" ;;
    *) mount -t "$2" -o "${4:-defaults}" "$loop" "$3" ;;
  esac
}

count_entries () { "$top_srcdir/tests/tools/power-loss.py" --count --log "$memory/log"; }

# An import that is killed when half is written, and its resume; sets $told.
killed_import () { # TARGET [OPTIONS]
  target=$1
  shift
  "$at_call" -o "pwrite* $(readlink -f "$target")" -k $half \
    "$QIMPORT" start -q --journal "$mnt/j.db" $slowly "$@" "$image" "$target" 2>"$scratch/err"
  [ $? = 137 ] || return 1
  "$QIMPORT" resume -q --journal "$mnt/j.db" "$target" 2>"$scratch/err" || return 1
  told=$(count_entries)
  # Something must come after it, or the last state is the only one in which it was told.
  for k in 1 2 3 4 5; do echo $k >"$mnt/later.$k"; sync -f "$mnt"; done
  undo
}

judge () { # SENTENCE TARGET STATES DISK...
  sentence=$1 target=$2 n=$3
  shift 3
  "$top_srcdir/tests/tools/power-loss.py" --log "$memory/log" "$@" --states "$n" --seed "$seed" \
    --journal "$mnt/j.db" --target "$target" --expected "$expected" --told "$told" \
    --resume-every 15 --image "$image" >"$scratch/verdict" 2>&1
  note "seed $seed: $(tail -n 1 "$scratch/verdict")"
  random_below 1000 # another one for the next
  if grep -q "^$n states, .* 0 violations" "$scratch/verdict"; then ok "$sentence"
  else not_ok "$sentence" "$(cat "$scratch/verdict")"; fi
}

not_recorded () { # WHAT
  why="$(cat "$scratch/recorder" "$scratch/err" 2>/dev/null)"
  undo
  if grep -qi fuse "$scratch/recorder"; then skip "$1: power loss" "$why"
  else not_ok "$1: an import is recorded" "$why"; fi
}

# one_disk FS STATES; two_disks and to_device likewise
one_disk () {
  if ! { record_one && put "$memory/dev" "$1" "$mnt" && killed_import "$mnt/disk"; }; then
    not_recorded "$1"
    return
  fi
  judge "$1: after none of $2 power cuts is anything committed that is not on the disk" \
    "$mnt/disk" "$2" --disk "$1=$memory/a.base@$mnt"
}

# Mounted so, the journal's disk loses next to nothing: the worst case for J1.
two_disks () {
  make_disk b "$1"
  if ! { record_two && put "$memory/dev/a" "$1" "$mnt" sync && put "$memory/dev/b" "$1" "$far" &&
    killed_import "$far/disk"; }; then
    not_recorded "$1, two disks"
    return
  fi
  judge "$1: nor in $2 states of a disk apart from its journal's" \
    "$far/disk" "$2" --disk "$1=$memory/a.base@$mnt" --disk "$1=$memory/b.base@$far"
}

to_device () {
  make_disk b raw
  if ! { record_two && put "$memory/dev/a" "$1" "$mnt" sync && put "$memory/dev/b" raw "$link" &&
    killed_import "$link" --force; }; then
    not_recorded "$1, a device"
    return
  fi
  judge "$1: nor in $2 states of a device; its first MiB comes after all else, what lies beyond stays" \
    "$link" "$2" --disk "$1=$memory/a.base@$mnt" --disk "raw=$memory/b.base@$link"
}

fresh
"$at_call" -o "pwrite* $disk.qimport-part" -l "$scratch/calls" "$QIMPORT" start -q $slowly "$image" "$disk" \
  2>"$scratch/err" || bail "an import that is watched fails: $(cat "$scratch/err")"
half=$(($(wc -l <"$scratch/calls") / 2))

for fs in ext4 xfs; do
  set -- $states
  for form in one_disk two_disks to_device; do
    left=$1
    shift
    while [ "$left" -gt 0 ]; do # a recording for every 500
      some=$((left > 500 ? 500 : left))
      if make_disk a $fs; then $form $fs $some
      else skip "$fs: power loss" "no $fs can be made"; fi
      rm -rf "$memory"/*
      left=$((left - some))
    done
  done
done
done_testing
