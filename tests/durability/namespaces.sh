#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who works on an import is known in every container: from another PID or mount namespace, with
# its process out of sight, nothing of it is taken, changed or forgotten, also while its map is
# still read.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
if unshare --pid --fork --mount-proc true 2>/dev/null; then
  elsewhere="unshare --pid --fork --mount-proc"
elif unshare -Urpf --mount-proc true 2>/dev/null; then
  elsewhere="unshare -Urpf --mount-proc"
else
  skip_all "there are no PID namespaces"
fi
mkdir "$scratch/state"
journal=$scratch/state/journal.db
QIMPORT_JOURNAL=$journal
small_image

wait_for () { # JQ: true of the status of $disk
  for _ in $(seq 400); do
    [ "$(import_of "$disk" "$1" 2>/dev/null)" = true ] && return
    sleep 0.05
  done
  not_ok "an import shows $1" "$(cat "$scratch/first")"
}
refused () { # WHAT COMMAND...
  what=$1
  shift
  run $elsewhere "$@"
  exits 7 "$what from another PID namespace is refused with 7"
  check "$what: it names who has it, and that this is not to be seen there" \
    grep -q "pid $first on .*(not visible from here)" "$scratch/err"
}

# ---- While it copies
"$QIMPORT" start -q --limit-rate 1200K --commit-interval 0.1 "$image" "$disk" 2>"$scratch/first" &
first=$!
background
wait_for '.bytes.guest_committed > 0'
refused "a resume" "$QIMPORT" resume -q "$disk"
refused "an ensure" "$QIMPORT" ensure -q "$image" "$disk"
refused "a start" "$QIMPORT" start -q "$image" "$disk"
refused "an audit" "$QIMPORT" audit -q "$disk"
run $elsewhere "$QIMPORT" forget "$disk"
exits 7 "a forget from another PID namespace is refused with 7"
run $elsewhere "$QIMPORT" status --json "$disk"
is "$(jq -r .state "$scratch/out")" copying "its status from there is that it is copied"
if unshare --mount true 2>/dev/null; then
  mkdir "$scratch/other"
  run unshare --mount sh -c 'mount --bind "$1/state" "$1/other" &&
    exec "$2" --journal "$1/other/journal.db" resume -q "$3"' - "$scratch" "$QIMPORT" "$disk"
  exits 7 "a resume from another mount namespace, by another name of the journal, is refused with 7"
  check "it names who has it" grep -q "pid $first on" "$scratch/err"
else
  skip "a resume by another name of the journal is refused with 7" "there are no mount namespaces"
fi
wait $first
is $? 0 "the import that others wanted ends with 0"
assert_identical "$disk" "$expected" "its disk is what qemu-img makes of the image"
is "$(import_of "$disk" .attempts)" 1 "it was attempted once"

# ---- While its map is read: the server keeps its tables back
mapping () {
  fresh
  echo delay,2@2- >"$scratch/control"
  "$QIMPORT" start -q "$served" "$disk" 2>"$scratch/first" &
  first=$!
  background
  wait_for '.state == "probing"'
  kill -STOP $first
  : >"$scratch/control"
}
: >"$scratch/control"
python3 "$top_srcdir/tests/tools/lying-server.py" --file "$image" --control "$scratch/control" \
  >"$scratch/port" 2>"$scratch/server" &
background
for _ in $(seq 100); do [ -s "$scratch/port" ] && break; sleep 0.05; done
served=http://127.0.0.1:$(cat "$scratch/port")/small.qcow2

mapping
refused "a resume while the map is read" "$QIMPORT" resume -q "$disk"
refused "a start while the map is read" "$QIMPORT" start -q "$served" "$disk"
run "$QIMPORT" start -q "$served" "$disk"
exits 7 "a start beside it while the map is read is refused with 7"
kill -CONT $first
wait $first
is $? 0 "the import whose map was read ends with 0"
assert_identical "$disk" "$expected" "that disk is what qemu-img makes of the image"

mapping
kill -9 $first
wait $first 2>/dev/null
run $elsewhere "$QIMPORT" resume -q "$disk"
exits 0 "when it was killed, a resume from there goes on"

# Then there are two who have it, each with a lock; the second is the one that is believed.
mapping
rm -f "$journal-lock"
run $elsewhere "$QIMPORT" resume -q "$disk"
exits 0 "without the lock's file another process completes it"
kill -CONT $first
wait $first
is $? 7 "the first one is told that it lost its import, with 7"
is "$(import_of "$disk" .state)" complete "and does not forget what another completed"
assert_identical "$disk" "$expected" "the completed disk is what qemu-img makes of the image"
done_testing
