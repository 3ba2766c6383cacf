#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Several processes share one journal: none waits for another's network, none takes another's
# import, and a reader sees them all.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
pids=
for i in 1 2 3 4 5 6; do
  case $i in 1 | 4) f=plain ;; 2 | 5) f=deflate ;; *) f=zstd ;; esac
  image $f 64K
  "$QIMPORT" start -q --limit-rate 2500K "$url" "$scratch/disk$i" 2>"$scratch/err$i" &
  background
  pids="$pids $!"
done

# While they run.
seen=0
for _ in $(seq 100); do
  n=$(qimport status --json 2>/dev/null | jq '[.imports[] | select(.state == "copying")] | length')
  [ "${n:-0}" -gt $seen ] && seen=$n
  [ $seen -ge 6 ] && break
  sleep 0.05
done
is $seen 6 "six imports copy at the same time"

run qimport resume "$scratch/disk1"
exits 7 "resume of an import that is being worked on is refused"
one_message "and one line says so"
first=$(echo $pids | cut -d' ' -f1)
check "and names the process" grep -qw "$first" "$scratch/err"
run qimport forget "$scratch/disk1"
exits 7 "so is forget"
run qimport start -q "$url" "$scratch/disk1"
check "a second start onto the same target is refused" [ "$rc" = 6 -o "$rc" = 7 ]
check "and the first goes on" kill -0 "$first"

i=0 bad=
for pid in $pids; do
  i=$((i + 1))
  wait "$pid" || bad="$bad $i($?: $(cat "$scratch/err$i"))"
done
is "$bad" "" "all six end with 0"
for i in 1 2 3 4 5 6; do
  assert_identical "$scratch/disk$i" "$expected" "disk $i is what qemu-img makes of its image"
done
is "$(qimport status --json | jq -c '[.imports[].state] | unique + [length]')" '["complete",6]' \
   "status shows six complete imports"
is "$(qimport status --json | jq '[.imports[].id] | unique | length')" 6 "with six identities"
done_testing
