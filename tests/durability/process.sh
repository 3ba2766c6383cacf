#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What may happen to a process: signals twice, a stop and a go, a clock that jumps, no descriptors, no
# memory, no home, the OOM killer.  It ends as the contract says, or goes on, and what was begun
# ends identical (P4, P5, P8, P10, P12).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
small_image

group=
trap '[ -z "$group" ] || rmdir "$group" 2>/dev/null; finish' EXIT
midway () { # an import that goes on in the background, when something is committed; $pid
  fresh
  "$QIMPORT" start -q --commit-interval 0.1 --limit-rate "${1:-2M}" "$image" "$disk" \
    >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  background
  for _ in $(seq 100); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
    sleep 0.05
  done
}
goes_on () { # WHAT
  wrong=
  recovers "$1"
  is "$wrong" "" "$1: what was begun ends identical"
}

# ---- Signals

midway
kill -TSTP $pid
sleep 0.3
kill -CONT $pid
wait $pid
rc=$?
exits 0 "stopped and let go again, an import ends with 0"
assert_identical "$disk" "$expected" "stopped and let go again: the disk is what qemu-img makes of the image"

fresh
{ "$QIMPORT" start --progress plain --commit-interval 0.1 --limit-rate 4M "$image" "$disk" 2>&1
  echo $? >"$scratch/rc"; } | true
rc=$(cat "$scratch/rc")
exits 0 "whoever read what it says goes away: an import ends with 0"
assert_identical "$disk" "$expected" "whoever read what it says goes away: the disk is what qemu-img makes of the image"

midway
kill -INT $pid
kill -INT $pid
wait $pid
rc=$?
check "interrupted twice, it ends with 3, or at once with 130 ($rc)" [ "$rc" = 3 -o "$rc" = 130 ]
goes_on "interrupted twice"

# ---- The clock

shim=$scratch/fault-shim.so
${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$shim" "$top_srcdir/tests/tools/fault-shim.c" -ldl ||
  bail "cannot compile the shim"
jumping () {
  env ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$shim" FAULT_KIND=clock "$@" \
    >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
}
fresh
jumping "$QIMPORT" start -q --commit-interval 0.1 --limit-rate 1M --max-time 1 "$image" "$disk"
exits 3 "while the time of day jumps by ten years, --max-time interrupts with 3"
check "and something was committed" [ "$(import_of "$disk" .bytes.guest_committed)" -gt 0 ]
jumping "$QIMPORT" resume -q --max-time 60 --limit-rate 0 "$disk"
exits 0 "and a resume ends with 0"
assert_identical "$disk" "$expected" "a clock that jumps: the disk is what qemu-img makes of the image"
for command in "status --json" "receipt" "log --json" "report -o $scratch/report.html" "audit"; do
  jumping "$QIMPORT" $command "$disk"
  exits 0 "a clock that jumps: ${command%% *} ends with 0"
  case $command in
    status* | receipt | log*) check "a clock that jumps: its JSON is valid" sh -c 'jq . "$1" >/dev/null' sh "$scratch/out" ;;
  esac
done

# ---- What a process may not have

limited () { # WHAT COMMAND...
  what=$1
  shift
  fresh
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
  case $rc in
    0 | 1 | 2 | 3 | 6 | 7) ok "$what: it ends with a status of the contract ($rc)" ;;
    127) check "$what: it ends with a status of the contract, or its libraries find no room" \
      grep -q 'error while loading shared libraries' "$scratch/err" ;;
    *) not_ok "$what: it ends with a status of the contract" "$rc: $(tail -n 5 "$scratch/err")" ;;
  esac
  goes_on "$what"
}
for n in 4 6 8 10 12 14 16; do
  limited "$n descriptors" sh -c 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n '$n'; exec "$@"' sh \
    "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk"
done
case $(nm -D "$QIMPORT" 2>/dev/null) in
  *__[at]san_init*) skip "little address space" "a sanitizer needs it for itself" ;;
  *) for mib in 20 40 80 120; do
      limited "$mib MiB of address space" sh -c 'ulimit -v '$((mib * 1024))'; exec "$@"' sh \
        "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk"
    done ;;
esac
limited "nowhere for temporary files" env TMPDIR=/nonexistent \
  "$QIMPORT" start -q --commit-interval 0.1 "$image" "$disk"
limited "a stream, and nowhere for temporary files" env TMPDIR=/nonexistent \
  "$QIMPORT" start -q --stream --commit-interval 0.1 "$image" "$disk"
if [ "$(id -u)" = 0 ]; then nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"; else nobody=; fi
chmod 755 "$scratch"
run $nobody env -u HOME -u QIMPORT_JOURNAL "$QIMPORT" status
exits 2 "without a home it is said that --journal is needed"
check "without a home: the message names it" grep -q -e --journal "$scratch/err"

# ---- The OOM killer

memory=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
[ -e "$memory/$limit" ] || memory=/sys/fs/cgroup limit=memory.max
group=$memory/qimport-test.$$
if mkdir "$group" 2>/dev/null && echo $((256 << 20)) 2>/dev/null >"$group/$limit"; then
  midway 500K
  echo 1000 >/proc/$pid/oom_score_adj
  echo $pid >"$group/cgroup.procs"
  sh -c 'echo $$ >"$1/cgroup.procs"; exec python3 -c "
x = []
while True: x.append (bytearray (8 << 20))"' sh "$group" 2>/dev/null &
  hog=$!
  background
  wait $pid
  rc=$?
  kill -9 $hog 2>/dev/null
  wait $hog 2>/dev/null
  exits 137 "when the machine's memory is used up it is killed"
  goes_on "killed for its memory"
  for _ in $(seq 20); do rmdir "$group" 2>/dev/null && break; sleep 0.1; done
  group=
else
  group=
  skip "killed for its memory" "no memory group can be made"
fi
done_testing
