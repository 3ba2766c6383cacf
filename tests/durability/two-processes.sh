#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One import is worked on by one process: a second is refused at once and names the first, also
# when that one is stopped; the lock dies with its process (P6, P7).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
small_image

"$QIMPORT" start -q --limit-rate 300K --commit-interval 0.1 "$image" "$disk" 2>"$scratch/first" &
first=$!
background
for _ in $(seq 100); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.05
done
kill -STOP $first

refused () { # WHAT STATUS
  took=$(($(now_ms) - at))
  exits "$2" "$1 is refused with $2"
  one_message "$1: one message says so"
  check "$1: it took $took ms, less than a second (two with sanitizers)" [ $took -lt 2000 ]
}
at=$(now_ms); run qimport resume -q "$disk"
refused "a second resume" 7
check "it names the process that has it" grep -q "$first" "$scratch/err"
at=$(now_ms); run qimport start -q "$image" "$disk"
refused "a second start" 7
at=$(now_ms); run qimport ensure -q "$image" "$disk"
refused "ensure meanwhile" 7
at=$(now_ms); run qimport forget "$disk"
refused "forget meanwhile" 7
check "forget names the process that has it" grep -q "pid $first" "$scratch/err"
if unshare -Urpf --mount-proc true 2>/dev/null; then
  run unshare -Urpf --mount-proc "$QIMPORT" forget "$disk"
  exits 7 "forget is refused from a container that cannot see the process, too"
  check "it names that process, and that it is not to be seen there" \
    grep -q "pid $first on .*(not visible from here)" "$scratch/err"
else
  skip "forget is refused from a container, too" "there are no process namespaces"
fi
QIMPORT_JOURNAL=$scratch/other.db
at=$(now_ms); run qimport start -q --force "$image" "$disk"
refused "another journal's import of the same target, even with --force," 6
QIMPORT_JOURNAL=$journal

kill -CONT $first
sleep 0.2
kill -9 $first
wait $first 2>/dev/null
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "when the first was killed, a resume goes on"
assert_identical "$disk" "$expected" "the disk is what qemu-img makes of the image"

# It is complete between the moment that another process looks and the one when it wants it.
run qimport status --json "$disk"
before=$(cat "$scratch/out")
overtaken () { # COMMAND...: its exit status; the journal is locked when it has looked
  python3 - "$QIMPORT_JOURNAL" "$scratch/err" "$@" <<'EOT'
import sqlite3, subprocess, sys, time
journal = sqlite3.connect(sys.argv[1], isolation_level=None)
journal.execute("UPDATE import SET state = 'interrupted'")
journal.execute("BEGIN IMMEDIATE")
with open(sys.argv[2], "w") as err:
    late = subprocess.Popen(sys.argv[3:], stderr=err)
time.sleep(1)
waits = late.poll() is None
journal.execute("UPDATE import SET state = 'complete'")
journal.execute("COMMIT")
sys.exit(late.wait() if waits else 99)
EOT
  rc=$?
}
overtaken "$QIMPORT" resume -q "$disk"
exits 2 "a resume that was overtaken by the end of the import is told so"
check "it says that it is complete" grep -q "is complete" "$scratch/err"
overtaken "$QIMPORT" ensure -q "$image" "$disk"
exits 0 "an ensure that was overtaken has what it wants"
run qimport status --json "$disk"
is "$(cat "$scratch/out")" "$before" "the journal says of the import what it said before"

# Many at once: one wins, the others say so.
fresh
"$QIMPORT" start -q --max-time 1 --limit-rate 300K --commit-interval 0.1 "$image" "$disk" 2>"$scratch/err"
for k in 1 2 3 4 5 6; do
  ("$QIMPORT" resume -q --limit-rate 0 "$disk" 2>"$scratch/err.$k"; echo $? >"$scratch/rc.$k") &
done
wait
won=$(cat "$scratch"/rc.? | grep -c '^0$')
held=$(cat "$scratch"/rc.? | grep -c '^7$')
over=$(cat "$scratch"/rc.? | grep -c '^2$') # came after the end: it is complete
check "of six resumes at once one ends it, the others are refused ($won, $held, $over)" \
  [ "$won" = 1 -a $((won + held + over)) = 6 ]
sed "s/^/# /" "$scratch"/err.?
assert_identical "$disk" "$expected" "the disk of six resumes is what qemu-img makes of the image"
done_testing
