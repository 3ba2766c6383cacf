#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 before every system call that changes a file, and in the middle of every write: what is
# committed is on the disk, the target is never half-done, and going on ends identical (J1, J2, J3).
# Of an import, of the resume of one that was killed, and of both one after the other; onto a
# file and, as root, onto a device.  A sample in make check, all of it with QIMPORT_TEST_LONG=1.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"

tool at-call
at_call=$tool
"$at_call" true || skip_all "programs cannot be traced here"
# The leak check traces as well.
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
small_image
say_seed
without=

# strike MODE N COMMAND...: returns 1 when the program ended before it came to that
strike () {
  mode=$1 n=$2
  shift 2
  "$at_call" ${without:+-x "$without"} "$mode" "$n" "$QIMPORT" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
  [ $? = 137 ]
}
strike_start () { strike "$1" "$2" start -q ${device:+--force} --commit-interval 0.1 "$image" "$disk"; }

start_step () { # MODE STEP
  fresh
  strike_start "$1" "$2" || return 1
  recovers "start, $1 $2"
}

# Killed when most of the target is written.
start_half () {
  fresh
  "$at_call" -o "pwrite* ${device:-$disk.qimport-part}" -k "$half" \
    "$QIMPORT" start -q ${device:+--force} --commit-interval 0.1 "$image" "$disk" \
    >"$scratch/out" 2>"$scratch/err" </dev/null
  [ $? = 137 ]
}

resume_step () { # MODE STEP
  start_half || return 0
  strike "$1" "$2" resume -q "$disk" || return 1
  recovers "start killed at write $half, resume $1 $2"
}

restart_step () { # MODE STEP
  start_half || return 0
  strike "$1" "$2" resume -q --restart "$disk" || return 1
  recovers "start killed at write $half, resume --restart $1 $2"
}

spoil () { printf spoiled | dd of="$disk" bs=1 seek=1048576 conv=notrunc 2>"$scratch/dd"; }

repair_step () { # MODE STEP
  spoil
  strike "$1" "$2" audit -q --repair "$disk" || return 1
  run qimport audit -q --repair "$disk"
  [ $rc = 0 ] && cmp -s "$disk" "$expected" ||
    wrong="$wrong audit --repair $1 $2: another one ended with $rc: $(tail -n 1 "$scratch/err")
"
}

# Three kills, anywhere.
pair_step () {
  fresh
  random_below "$steps"
  trail="start -k $((random + 1))"
  strike_start -k $((random + 1))
  for _ in 1 2; do
    import_state
    [ "$state" != complete ] || break
    random_below "$steps"
    trail="$trail, then -t $((random + 1))"
    if [ -z "$state" ]; then strike_start -t $((random + 1))
    else strike -t $((random + 1)) resume -q "$disk"; fi
  done
  recovers "$trail"
  pairs=$((pairs - 1))
  [ $pairs -gt 0 ]
}

count_steps () { # COMMAND...
  "$at_call" ${without:+-x "$without"} -l "$scratch/calls" "$QIMPORT" "$@" 2>"$scratch/err" || bail "$* failed: $(cat "$scratch/err")"
  steps=$(wc -l <"$scratch/calls")
}

all_of () { # ONTO START_SAMPLE RESUME_SAMPLE PAIRS
  fresh
  count_steps start -q ${device:+--force} --commit-interval 0.1 "$image" "$disk"
  whole
  is "$why" "" "$1: an import that is watched ends identical"
  all=$steps
  repeatedly "$1: killed before every step of an import, it goes on to an identical disk" "$2" \
    start_step -k
  repeatedly "$1: killed within every write of an import, likewise" $(($2 / 2)) start_step -t
  half=$(($(grep -c "pwrite.* ${device:-$disk.qimport-part}" "$scratch/calls") * 7 / 10))
  start_half || bail "write $half of start was not reached"
  count_steps resume -q "$disk"
  repeatedly "$1: killed before every step of a resume, likewise" "$3" resume_step -k
  repeatedly "$1: killed within every write of a resume, likewise" $(($3 / 2)) resume_step -t
  pairs=$4 steps=$all
  repeatedly "$1: killed three times in a row, likewise" 100000 pair_step
}

if [ "$long" = 1 ]; then
  all_of "a file" 0 0 "${QIMPORT_TEST_PAIRS:-200}"
else
  all_of "a file" 30 16 8
fi
start_half || bail "write $half of start was not reached"
count_steps resume -q --restart "$disk"
repeatedly "a file: killed before every step of a resume --restart, likewise" 8 restart_step -k
# Onto a file that is there: before --force is recorded a resume wants to hear it again, at once.
over_step () { # MODE STEP
  [ "$2" -le "$steps" ] || return 1
  fresh
  echo "of somebody" >"$disk"
  strike "$1" "$2" start -q --force --commit-interval 0.1 "$image" "$disk" || return 1
  import_state
  why=
  if [ -n "$state" ]; then go_on
  else run qimport start -q --force --commit-interval 0.1 "$source" "$disk"; fi
  if [ "$rc" = 6 ] && grep -q "exists already and is left alone without --force" "$scratch/err" &&
    grep -qx "of somebody" "$disk"; then run qimport resume -q --force "$disk"; fi
  [ "$rc" = 0 ] || why="going on ended with $rc: $(tail -n 1 "$scratch/err")"
  [ -n "$why" ] || whole
  [ -z "$why" ] || wrong="$wrong$1 $2: $why
"
}
fresh
echo "of somebody" >"$disk"
count_steps start -q --force --commit-interval 0.1 "$image" "$disk"
steps=$((steps / 3)) # by then it is recorded
repeatedly "a file over another, with --force: killed before every step of the beginning, likewise" 14 over_step -k
fresh
run qimport start -q "$image" "$disk"
spoil
count_steps audit -q --repair "$disk"
repeatedly "a file: killed before every step of a repair, another one ends it" 6 repair_step -k
repeatedly "a file: killed within every write of a repair, likewise" 3 repair_step -t

if [ "$(id -u)" = 0 ] && truncate -s 8M "$scratch/back" &&
  device=$(losetup -f --show "$scratch/back" 2>/dev/null); then
  trap 'losetup -d "$device"; finish' EXIT
  disk=$device
  head -c 8M /dev/zero | tr '\0' '\252' >"$scratch/stale"
  if [ "$long" = 1 ]; then all_of "a device" 0 0 "${QIMPORT_TEST_PAIRS:-200}"
  else
    without=journal.db-wal # the first MiB passes through it, a page at a time
    all_of "a device" 14 10 7
  fi
else
  skip "a device: killed before every step" "loop devices need root"
fi
done_testing
