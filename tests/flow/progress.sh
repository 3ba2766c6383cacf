#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How far an import is, is told by what has to be fetched and decoded: zeros come for nothing.  It is one
# figure wherever it is told.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
disk=$scratch/disk
# a disk of 2 GiB with 12 MiB of data, some of it behind much that is zero
truncate -s 2G guest.raw
head -c 12M /dev/urandom >data
dd if=data of=guest.raw bs=1M conv=notrunc count=6 status=none
dd if=data of=guest.raw bs=1M conv=notrunc skip=6 seek=1500 status=none
qemu-img convert -q -O qcow2 guest.raw image.qcow2
mkdir bin

"$QIMPORT" start --progress plain --limit-rate 3M --commit-interval 0.1 image.qcow2 "$disk" 2>plain &
pid=$!
background
until [ "$(import_of "$disk" .bytes.data_total 2>/dev/null)" -gt 0 ] 2>/dev/null; do sleep 0.05; done
early=$(import_of "$disk" .percent)
check "it begins at nothing, though nearly all of the disk is zeros ($early %)" \
  jq -en "$early < 50"
sleep 1.5
kill $pid
wait $pid
is $? 3 "an import is interrupted"

qimport status "$disk" --json >status.json
percent=$(printf %.1f "$(jq .percent status.json)")
check "somewhere in the middle ($percent %)" jq -en "$percent > 5 and $percent < 95"
is "$(jq '.bytes.data_total' status.json)" $((12 << 20)) "its work is what the image has data for"
is "$(jq '.bytes.guest_total' status.json)" $((2 << 30)) "the disk is what it was"
is "$(printf %.1f "$(jq '(.bytes.data_committed / .bytes.data_total * 1000 | floor) / 10' status.json)")" "$percent" \
  "the percent are of the work"
is "$(qimport status | awk 'NR == 2 { print $3 }')" "$percent%" "status has that figure"
check "status of one too" sh -c 'qimport_out=$("$1" status "$2"); echo "$qimport_out" | grep "^committed: .*($3%)"' - \
  "$QIMPORT" "$disk" "$percent"
check "which tells the zeros apart" sh -c '"$1" status "$2" | grep -q "^zeros: .* of 2.0 GiB"' - "$QIMPORT" "$disk"
safe=$(qimport status "$disk" | sed -n 's/^committed: *\(.*\) (.*/\1/p')
check "the last line said that much is safe ($safe)" grep -qF "; $safe are safe; go on with" plain
is "$(qimport status --prometheus | awk '/^qimport_import_work_done_bytes/ { d = $NF } /^qimport_import_work_bytes/ { t = $NF }
    END { printf "%.1f", int (1000 * d / t) / 10 }')" "$percent" "Prometheus has it"
is "$(sqlite3 "$QIMPORT_JOURNAL" 'SELECT data_committed FROM import_summary')" "$(jq .bytes.data_committed status.json)" \
  "and so has the auditors' view"
qimport report "$disk" -o report.html
in_report=$(jq -r '.bytes.data_committed / 1048576' status.json | awk '{ printf ($1 < 10 ? "%.2f" : "%.1f"), $1 }')
check "and the report" grep -qF "<dd>$in_report MiB of 12.0 MiB</dd>" report.html

qimport resume --progress json --limit-rate 0 "$disk" >json 2>/dev/null
assert_identical "$disk" guest.raw "resumed, the disk is right"
check "its first object goes on from there" sh -c 'head -n 1 "$1" | jq -e ".percent >= $2"' - json "$percent"
is "$(tail -n 1 json | jq -c '[.percent, .bytes.data_committed == .bytes.data_total]')" "[100,true]" "its last is at 100"

qimport start -v --progress none --force image.qcow2 "$scratch/again" 2>told
check "-v says where the time went" \
  sh -c 'grep -Eq "^qimport: it took [0-9]+ ms: start [0-9]+, map [0-9]+, target [0-9]+, copy [0-9]+, last commit [0-9]+, .*journal [0-9]+" "$1"' - told
rm "$scratch/again"

truncate -s 64M zeros.raw
qemu-img convert -q -O qcow2 zeros.raw zeros.qcow2
run qimport start -q zeros.qcow2 "$scratch/zeros"
is "$(import_of "$scratch/zeros" .percent)" 100 "a disk of nothing but zeros gets to 100 as well"
done_testing
