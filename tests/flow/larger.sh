#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --size: a target that is larger than the disk, which lies at its start.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
image plain 64K 8
disk=$scratch/disk
small=$(size_of "$expected")
large=$((small + 12345 * 512))
cp "$expected" larger.raw
truncate -s $large larger.raw
fresh () {
  qimport -q forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
}

# ---- a file

run qimport start -q --size $((large - 1)) "$image" "$disk"
exits 0 "a file is made larger than the disk, in whole sectors"
assert_identical "$disk" larger.raw "the disk is at its start, and zeros behind it"
check "  which take no space" [ $(($(stat -c %b "$disk") * 512)) -lt $((small + 1048576)) ]
is "$(import_of "$disk" .virtual_size)" "$small" "status has the size of the disk"
check "the log has both sizes" sh -c "\"\$QIMPORT\" log '$disk' | grep -q '$large bytes or more.*$small'"
run qimport audit "$disk" --json
exits 0 "the audit finds it as it was imported"
root=$(python3 "$top_srcdir/doc/examples/root-digest.py" "$expected")
is "$(jq -r .root_digest out)" "$root" "  with the root digest of the disk alone"
printf X | dd of="$disk" bs=1 seek=$((small + 5000)) conv=notrunc status=none
run qimport audit "$disk"
exits 0 "what lies behind the disk is not its business"
printf X | dd of="$disk" bs=1 seek=$((small - 1)) conv=notrunc status=none
run qimport audit "$disk"
exits 8 "what lies in the disk is"
run qimport audit -q --repair "$disk"
exits 0 "  and is repaired"
check "  to what it was" cmp -n "$small" "$disk" "$expected"
is "$(size_of "$disk")" $large "  in a file that is as large as before"
run qimport ensure --size $((large - 1)) "$image" "$disk"
is "$rc:$(cat out err)" 0: "ensured again: quiet and 0"
fresh

run qimport start -q --size $((small - 512)) "$image" "$disk"
exits 6 "a size smaller than the disk is refused"
one_message "  with one line"
is "$(ls "$disk"* 2>/dev/null)" "" "  and nothing is made"
is "$(qimport status --json | jq '.imports | length')" 0 "  nor is it in the journal"
run qimport start -q --size "$small" "$image" "$disk"
exits 0 "just its size is fine"
assert_identical "$disk" "$expected" "  and changes nothing"
fresh
"$QIMPORT" start -q --size $large - "$disk" <"$image"
rc=$?
exits 0 "of a stream it is made larger likewise"
assert_identical "$disk" larger.raw "  with zeros behind the disk"
fresh
run qimport start -q --size $large --preallocate "$image" "$disk"
exits 0 "all of it can be reserved"
check "  and is" [ $(($(stat -c %b "$disk") * 512)) -ge $large ]
fresh

"$QIMPORT" start -q --size $large --connections 1 --limit-rate 2M --commit-interval 0.1 "$image" "$disk" &
background
for _ in $(seq 200); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 1000000 ] 2>/dev/null && break
  sleep 0.05
done
kill_after_ms $! 1
is "$(size_of "$disk.qimport-part")" $large "killed: the part file has that size already"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "killed: the resume ends with 0"
assert_identical "$disk" larger.raw "  with that size"
fresh
truncate -s "$large" "$disk"
run qimport start -q --size $large --unallocated keep "$image" "$disk"
exits 0 "a file that is written in place must have that size"
check "  and has the disk at its start" cmp -n "$small" "$disk" "$expected"
fresh
truncate -s "$small" "$disk"
run qimport start -q --size $large --unallocated keep "$image" "$disk"
exits 6 "  and is refused with another"
fresh

# ---- a device

truncate -s $large device
loop=$(losetup -f --show device 2>/dev/null) || { skip "a device" "no loop device"; done_testing; exit; }
trap 'losetup -d "$loop"; finish' EXIT
run qimport start -q --size $((large + 512)) "$image" "$loop"
exits 6 "a device that is smaller than that is refused"
check "  and both sizes are named" grep -q "has $large bytes, and must have $((large + 512))" err
run qimport start -q --size $large "$image" "$loop"
exits 0 "one that is as large is written"
check "  with the disk at its start" cmp -n "$small" "$loop" "$expected"
run qimport audit "$loop"
exits 0 "  and audited"

done_testing
