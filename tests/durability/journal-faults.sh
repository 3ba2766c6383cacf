#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A journal that is spoiled, cut, older, full, unreadable, locked, deleted or on a network: whatever
# was done to it, no resume ends with 0 and another disk; what cannot be believed is refused with
# 7 and a way out, and what was only lost is done again (SQ1, SQ3 to SQ5, SQ7 to SQ9, SQ11, SQ15 to
# SQ19, W6).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
tool at-call
at_call=$tool
traced=1
"$at_call" true || traced=
shim=$scratch/fault-shim.so
${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$shim" "$top_srcdir/tests/tools/fault-shim.c" -ldl ||
  bail "cannot compile the shim"
small_image
say_seed
part=$disk.qimport-part

# Locked by somebody for longer than anyone waits; looked at again at the end.
run qimport start -q --journal "$scratch/locked.db" "$image" "$scratch/locked"
mkfifo "$scratch/hold"
python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
' "$scratch/locked.db" <"$scratch/hold" >"$scratch/locker" &
background
exec 9>"$scratch/hold"
for _ in $(seq 100); do [ -s "$scratch/locker" ] && break; sleep 0.05; done
("$QIMPORT" start -q --journal "$scratch/locked.db" "$image" "$scratch/locked2" 2>"$scratch/locked.err"
  echo $? >"$scratch/locked.rc") &
locked=$!

# An import that was killed in the middle, its journal's last commits in the -wal.
# again: as it was then; the part file is the same file.
fresh
"$QIMPORT" start -q --commit-interval 0.1 --limit-rate 2M "$image" "$disk" 2>"$scratch/err" </dev/null &
pid=$!
background
for _ in $(seq 200); do
  [ "$(sqlite3 -readonly "$journal" 'SELECT segments_committed FROM import' 2>/dev/null || echo 0)" -ge 1 ] 2>/dev/null && break
  sleep 0.02
done
kill -9 $pid
wait $pid 2>/dev/null
mkdir "$scratch/saved"
cp "$journal"* "$scratch/saved"
cp "$part" "$scratch/saved.part"
check "an import was killed in the middle" [ -e "$part" -a -s "$journal-wal" ]
again () {
  [ ! -e "$disk" ] || mv "$disk" "$part"
  cat "$scratch/saved.part" >"$part"
  rm -f "$journal"*
  cp "$scratch/saved/"* "$scratch"
}
# resumed WHAT: 0 and identical, or refused: appends to $wrong
resumed () {
  timeout 60 "$QIMPORT" resume -q --limit-rate 0 "$disk" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
  case $rc in
    0) cmp -s "$disk" "$expected" || wrong="$wrong$1: it ended with 0 and another disk
" ;;
    3 | 4 | 6 | 7)
      [ ! -e "$disk" ] || wrong="$wrong$1: it ended with $rc, and yet the disk is there
"
      grep -q '^qimport: ' "$scratch/err" || wrong="$wrong$1: it ended with $rc and says nothing
" ;;
    *) wrong="$wrong$1: it ended with $rc: $(tail -n 3 "$scratch/err")
" ;;
  esac
}

goes_on () { # WHAT: it must
  wrong=
  resumed "$1"
  [ $rc = 0 ] || wrong="$wrong$1: it ended with $rc: $(tail -n 1 "$scratch/err")"
  is "$wrong" "" "$1: a resume ends identical"
}
refused () { # WHAT WORDS: with 7 and those words, and nothing was done
  before=$(sha256sum <"$part")
  run timeout 60 "$QIMPORT" resume -q --limit-rate 0 "$disk"
  exits 7 "$1: refused with 7"
  check "$1: it says what to do" grep -q -e "$2" "$scratch/err"
  is "$(sha256sum <"$part")" "$before" "$1: the part file was not touched"
}

# ---- Spoiled

n=${QIMPORT_TEST_SPOILS:-25}
[ "$long" = 0 ] || n=${QIMPORT_TEST_SPOILS:-2000}
wrong='' ended=
for k in $(seq "$n"); do
  again
  random_below 1000000
  what=$("$top_srcdir/tests/tools/spoil.py" "$journal" $random)
  resumed "$what"
  ended="$ended$rc
"
done
is "$wrong" "" "spoiled in $n ways, no import ends with 0 and another disk"
note "$(printf %s "$ended" | sort | uniq -c | awk '{ printf "%s ended with %s; ", $1, $2 }')"

# Every column in turn holds what has another size, sign or kind: whoever reads it copes.
looked_at () { # WHAT: by what only reads
  for job in "status" "status --json" "info $disk" "map --json $disk" "log $disk" "receipt $disk" \
    "report $disk" "audit $disk"; do
    timeout 60 "$QIMPORT" $job >"$scratch/out" 2>"$scratch/err" </dev/null
    rc=$?
    [ $rc -le 8 ] && [ $rc != 1 ] ||
      wrong="$wrong$1: $job ended with $rc: $(head -n 20 "$scratch/err")
"
  done
}
again
values=$("$top_srcdir/tests/tools/spoil.py" "$journal" values)
n=12
[ "$long" = 0 ] || n=$values
wrong='' ended=
for k in $(seq 0 $((n - 1))); do
  again
  [ "$long" = 1 ] || { random_below "$values"; k=$random; }
  what=$("$top_srcdir/tests/tools/spoil.py" "$journal" value "$k")
  looked_at "$what"
  resumed "$what"
  ended="$ended$rc
"
done
check "there are more than a thousand values" [ "$values" -gt 1000 ]
is "$wrong" "" "$n of them in a row, and no import ends with 0 and another disk, and nothing breaks"
note "$(printf %s "$ended" | sort | uniq -c | awk '{ printf "%s ended with %s; ", $1, $2 }')"

again
sqlite3 "$journal" 'PRAGMA wal_checkpoint (TRUNCATE)' >"$scratch/out"
page=$(sqlite3 "$journal" "SELECT rootpage FROM sqlite_master WHERE name = 'extent'")
printf '\377\377' | dd of="$journal" bs=1 seek=$(((page - 1) * 4096 + 3)) conv=notrunc 2>"$scratch/out"
is "$(sqlite3 "$journal" 'SELECT count (*) FROM import')" 1 "a page is spoiled, and yet the journal answers"
refused "a spoiled page" "a good copy"

again
sqlite3 "$journal" "UPDATE import SET done_to = segments"
refused "a row that contradicts another" "a good copy"

again
sqlite3 "$journal" "UPDATE zero_run SET hole = 1 - hole"
run timeout 60 "$QIMPORT" resume -q --limit-rate 0 "$disk"
exits 7 "a map that is not the sealed one, found when all is fetched: refused with 7"

# What does not decode ends an import at once, and the look at a journal of this size takes
# longer: it is waited for before the image is called damaged.
again
sqlite3 "$journal" "
  UPDATE extent SET host = host + 1 WHERE key = (SELECT min (key) FROM extent WHERE stored > 0);
  INSERT INTO sample (fetched, committed)
    WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < 1000000)
    SELECT k, k FROM n"
run timeout 60 "$QIMPORT" resume -q --limit-rate 0 "$disk"
exits 7 "a compressed cluster that is elsewhere in the map: refused with 7"
check "and the journal is blamed, not the image" grep -q "not the one that was sealed" "$scratch/err"

again
sqlite3 "$journal" "CREATE TRIGGER t AFTER UPDATE ON import BEGIN DELETE FROM event; END"
refused "somebody else's trigger" "--journal"
again
sqlite3 "$journal" 'PRAGMA user_version = 1000'
refused "a newer version" "newer qimport"

# ---- Copied, or parts of it lost

again
rm -f "$journal-wal" "$journal-shm"
wrong=
resumed "without its -wal"
is "$wrong" "" "copied without its -wal ($rc): older, never wrong"
again
rm -f "$journal-shm"
goes_on "without its -shm"
again
head -c 32768 /dev/urandom >"$journal-shm"
goes_on "with a -shm of noise"

# ---- Its disk

if [ -n "$traced" ]; then
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
  fails () { # WHAT ERRNO STATUS
    fresh
    "$at_call" -l "$scratch/calls" -o "$journal-wal" \
      "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk" 2>"$scratch/err"
    fresh
    "$at_call" -E $(($(wc -l <"$scratch/calls") * 2 / 3)) "$2" -o "$journal-wal" \
      "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk" >"$scratch/out" 2>"$scratch/err" </dev/null
    rc=$?
    exits "$3" "$1: the import ends with $3"
    one_message "$1: one message says so"
    wrong=
    recovers "$1"
    is "$wrong" "" "$1: and a resume ends identical"
  }
  fails "the journal's disk fails in mid-course" 5 7
  fails "the journal's file system becomes read-only" 30 7
  fails "the journal's disk is full" 28 3
  fails "the journal's quota is used up" 122 3

  # Killed while it is made from an older one: old or new, never between.
  older () {
    fresh
    sqlite3 "$journal" 'PRAGMA auto_vacuum = 2; PRAGMA application_id = 1902734704'
    chmod 600 "$journal"
  }
  migration_step () { # MODE STEP
    older
    "$at_call" "$1" "$2" -o "$journal" "$QIMPORT" start -q "$image" "$disk" \
      >"$scratch/out" 2>"$scratch/err" </dev/null
    [ $? = 137 ] || return 1
    case $(sqlite3 "$journal" 'PRAGMA user_version' 2>&1) in
      0) [ "$(sqlite3 "$journal" 'SELECT count (*) FROM sqlite_master')" = 0 ] ||
           wrong="$wrong$1 $2: version 0, and yet there are tables
" ;;
      [1-9] | [1-9][0-9]) ;;
      *) wrong="$wrong$1 $2: it is no journal any more
" ;;
    esac
    recovers "$1 $2"
  }
  older
  "$at_call" -l "$scratch/calls" -o "$journal" "$QIMPORT" start -q "$image" "$disk" 2>"$scratch/err"
  steps=$(wc -l <"$scratch/calls")
  repeatedly "killed before every step on an older journal: it is old or new, and goes on" 8 \
    migration_step -k
  repeatedly "killed within every write to it, likewise" 4 migration_step -t
else
  skip "the journal's disk fails, or the process dies while it is made new" "no tracing here"
fi

# ---- File systems without what a WAL needs

with () { # KIND COMMAND...
  kind=$1
  shift
  env ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$shim" FAULT_KIND="$kind" \
    "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
}
fresh
with nfs "$QIMPORT" start -q --commit-interval 0.1 --limit-rate 1M --max-time 1 "$image" "$disk"
exits 3 "on NFS: an import is interrupted"
is "$(od -An -tu1 -j18 -N2 "$journal" | tr -d ' ')" 11 "on NFS: the journal is a rollback journal"
check "on NFS: there is no -wal" [ ! -e "$journal-wal" ]
with nfs "$QIMPORT" resume -q --limit-rate 0 "$disk"
exits 0 "on NFS: a resume ends with 0"
assert_identical "$disk" "$expected" "on NFS: the disk is what qemu-img makes of the image"
if [ -n "$traced" ]; then
  nfs_step () { # STEP
    fresh
    with nfs "$at_call" -k "$1" "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk"
    [ $rc = 137 ] || return 1
    recovers "step $1"
  }
  fresh
  with nfs "$at_call" -l "$scratch/calls" "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk"
  steps=$(wc -l <"$scratch/calls")
  repeatedly "on NFS: killed before every step, a resume (on a local disk) ends identical" 12 nfs_step
fi
fresh
with unshared "$QIMPORT" start -q "$image" "$disk"
exits 0 "where no memory can be shared: 0, by a rollback journal"
check "where no memory can be shared: the disk is right" cmp -n "$(size_of "$expected")" "$disk" "$expected"

# ---- Deleted, read for long, locked

fresh
"$QIMPORT" start -q --commit-interval 0.1 --limit-rate 1M "$image" "$disk" 2>"$scratch/err" </dev/null &
pid=$!
background
for _ in $(seq 100); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.05
done
rm -f "$journal"*
wait $pid
rc=$?
exits 7 "deleted in mid-course: the import ends with 7"
run qimport start -q "$image" "$disk"
exits 6 "deleted in mid-course: its part file is left alone"
check "deleted in mid-course: and named, with the way out" grep -q "qimport-part.*--force" "$scratch/err"
run qimport start -q --force "$image" "$disk"
exits 0 "deleted in mid-course: with --force it begins anew"

if [ -n "$traced" ] && command -v strace >/dev/null; then
  fresh
  strace -f -y -qq -o "$scratch/trace" -e trace=openat,close,fcntl,fork,vfork,clone,clone3 \
    "$QIMPORT" start -q --commit-interval 0.1 --limit-rate 1M --max-time 1 "$image" "$disk" 2>"$scratch/err"
  strace -f -y -qq -A -o "$scratch/trace" -e trace=openat,close,fcntl,fork,vfork,clone,clone3 \
    "$QIMPORT" resume -q --limit-rate 0 "$disk" 2>"$scratch/err"
  "$top_srcdir/tests/tools/locks.py" "$scratch/trace" "$journal" >"$scratch/rules" || bail "no verdict"
  while read -r line; do
    case $line in
      "not ok "*) not_ok "${line#not ok }" ;;
      *) ok "${line#ok }" ;;
    esac
  done <"$scratch/rules"
else
  skip "nobody but SQLite closes the journal" "no strace"
fi

wait $locked
rc=$(cat "$scratch/locked.rc")
cp "$scratch/locked.err" "$scratch/err"
exits 7 "locked by somebody for long: an import ends with 7"
check "locked by somebody for long: it says that another has it" grep -q "another process" "$scratch/err"
exec 9>&-
run qimport start -q --journal "$scratch/locked.db" "$image" "$scratch/locked2"
exits 0 "when the lock is gone it can be begun"
done_testing
