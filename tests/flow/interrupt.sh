#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# SIGINT, SIGTERM and SIGHUP commit what is written, say how to go on, and end with 3 within two
# seconds, whatever the target is.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/targets.sh"

image deflate 64K
serve

copying () { # until something is committed
  for _ in $(seq 100); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && return
    kill -0 $pid 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

pairs=$(for kind in $(kinds); do
  case $kind in
    file) echo file:INT file:TERM file:HUP ;;
    block) echo block:INT ;;
    nbd) echo nbd:TERM ;;
    *) echo "$kind":HUP ;;
  esac
done)
for pair in $pairs; do
  kind=${pair%:*} signal=${pair#*:}
  target "$kind"
  # What a shell puts into the background has SIGINT ignored.
  env --default-signal=INT,HUP "$QIMPORT" start --limit-rate 2M "$url" "$disk" 2>"$scratch/err" >"$scratch/out" &
  pid=$!
  background
  check "$kind, SIG$signal: the import is under way" copying
  at=$(now_ms)
  kill -$signal $pid
  wait $pid
  rc=$?
  took=$(($(now_ms) - at))
  exits 3 "$kind, SIG$signal: the exit status is 3"
  check "$kind, SIG$signal: it took ${took} ms, at most two seconds" [ $took -le 2000 ]
  check "$kind, SIG$signal: the last line tells how to resume" \
    sh -c 'tail -n 1 "$1" | grep -q "^qimport: .*qimport resume"' - "$scratch/err"
  check "$kind, SIG$signal: TARGET does not exist half-done" eval '! has is_there'
  is "$(import_of "$disk" .state)" interrupted "$kind, SIG$signal: status says interrupted"
  committed=$(import_of "$disk" .bytes.guest_committed)

  # The command that the message names is the one that works.
  sed -n 's/.*\(qimport resume [^ ,;()]*\).*/\1/p' "$scratch/err" | tail -n 1 |
    sed 's/^qimport resume[ ]*//; s/^['\''"`]*//; s/['\''"`.]*$//' >"$scratch/id"
  "$QIMPORT" resume -q --max-time 1 $(cat "$scratch/id") 2>"$scratch/err"
  rc=$?
  check "$kind, SIG$signal: the command it names goes on" [ $rc = 3 -o $rc = 0 ]
  check "$kind, SIG$signal: from what was committed" \
    [ "$(import_of "$disk" .bytes.guest_committed)" -ge "$committed" ]
  run qimport resume -q --limit-rate 1G "$disk"
  holds "$expected" "$kind, SIG$signal: and in the end the disk is what qemu-img makes of the image"
  forget_target
done

target file
"$QIMPORT" start --limit-rate 2M -q "$url" "$disk" 2>"$scratch/err" &
pid=$!
background
copying
kill -TERM $pid
wait $pid
run qimport resume -q
exits 0 "a bare resume finds the only interrupted import, and ends it"
holds "$expected" "the disk is what qemu-img makes of the image"
done_testing
