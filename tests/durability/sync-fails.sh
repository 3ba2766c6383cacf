#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A sync that failed is final: the kernel has dropped what it could not write and would answer the
# next sync with success (T3).  Each sync of the target and of its directory fails once: nothing
# is recorded any more, the import ends with 6 (3 when the disk is full), and a resume ends identical.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
tool at-call
at_call=$tool
"$at_call" true || skip_all "programs cannot be traced here"
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
small_image

committed () { sqlite3 -readonly "$journal" 'SELECT guest_committed FROM import' 2>/dev/null || echo 0; }

# fails WHAT NTH ERRNO STATUS
fails () {
  fresh
  "$at_call" -e "$2" "$3" -o "$1" -l "$scratch/calls" \
    "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
  [ "$(wc -l <"$scratch/calls")" -ge "$2" ] || return 1
  what="${1%% *} $2 of ${1##*/} fails with $3"
  exits "$4" "$what: the import ends with $4"
  one_message "$what: one message says so"
  # None of the calls after it is a sync of the same file: nothing was tried again.
  is "$(wc -l <"$scratch/calls")" "$2" "$what: it is not tried again"
  go_on_after "$what"
}

go_on_after () {
  wrong=
  recovers "$1"
  is "$wrong" "" "$1: a resume ends identical"
}

fails "fdatasync $disk.qimport-part" 1 5 6
fails "fdatasync $disk.qimport-part" 2 5 6 || note "there was one commit only"
fails "fdatasync $disk.qimport-part" 1 28 3
fails "fsync $disk.qimport-part" 2 5 6

# What is committed when a later sync fails stays as it was.
check "nothing is half-done" [ ! -e "$disk.qimport-part" ]
done_testing
