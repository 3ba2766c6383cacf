#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --keep-format: the target is the qcow2 file itself, byte for byte; checked before anything is
# written, and resumed, audited and repaired as a disk is.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
made=$scratch/files
mkdir "$made"
image plain 64K 8
guest=$expected
cp "$image" "$made/plain.qcow2"
for f in deflate zstd; do
  image $f 64K 8
  cp "$image" "$made/$f.qcow2"
done
qemu-img convert -q -O qcow2 -o cluster_size=4k,extended_l2=off "$guest" "$made/small.qcow2"
qemu-img convert -q -O qcow2 -o extended_l2=on,cluster_size=128k "$guest" "$made/extended.qcow2"
cp "$made/plain.qcow2" "$made/snapshots.qcow2"
qemu-img snapshot -c one "$made/snapshots.qcow2"
qemu-io -c 'write -P 7 3M 2M' "$made/snapshots.qcow2" >/dev/null
qemu-img snapshot -c two "$made/snapshots.qcow2"
qemu-img create -q -f qcow2 -o preallocation=metadata "$made/empty.qcow2" 600M
truncate -s "$(($(size_of "$made/empty.qcow2") / 65536 * 65536 + 65536))" "$made/empty.qcow2"
serve_start "$scratch/nginx" "$made" 0 || bail "nginx does not start"
disk=$scratch/guest.qcow2
keep () { run "$QIMPORT" start -q --keep-format "$@" "$disk"; }
fresh () {
  qimport -q forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
}
# how many bytes of an image the server sent
sent () { awk -v p="/$1" '$2 == p { n += $4 } END { printf "%.0f\n", n }' "$serve_log"; }

# ---- identity

for f in plain deflate zstd small extended snapshots empty; do
  keep "$serve_url/$f.qcow2"
  exits 0 "$f: it is kept as it is"
  is "$(cat err)" "" "$f: and nothing is warned of"
  assert_identical "$disk" "$made/$f.qcow2" "$f: byte for byte"
  check "$f: qemu-img check has nothing to say" qemu-img check -q "$disk"
  check "$f: and qemu-img compare finds the same disk" qemu-img compare -q "$disk" "$made/$f.qcow2"
  run qimport audit "$disk"
  exits 0 "$f: the audit finds it as it was imported"
  is "$(import_of "$disk" .image.sha256)" "$(sha256sum <"$made/$f.qcow2" | cut -d' ' -f1)" \
    "$f: the image's SHA-256 is known"
  is "$(import_of "$disk" .image.length)" "$(size_of "$disk")" "$f: as long as it was"
  [ $f = empty ] || fresh
done
check "blocks of zeros are holes" [ "$(du -k "$disk" | cut -f1)" -lt 2048 ]
fresh
is "$(sh -c 'umask 022; "$QIMPORT" start -q --keep-format "$0/plain.qcow2" "$1"; stat -c %a "$1"' "$made" "$disk")" \
  644 "its mode is that of any new file"
fresh

# ---- resumed

"$QIMPORT" start -q --keep-format --connections 1 --limit-rate 3M --commit-interval 0.1 "$serve_url/plain.qcow2" "$disk" &
background
for _ in $(seq 200); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 2000000 ] 2>/dev/null && break
  sleep 0.05
done
kill_after_ms $! 1
check "killed: its name is not there" [ ! -e "$disk" ]
check "killed: the part file says whose it is, and is no image yet" \
  sh -c 'head -c 512 "$1" | grep -q "^qimport: import"' - "$disk.qimport-part"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "killed: the resume ends with 0"
assert_identical "$disk" "$made/plain.qcow2" "killed: with the image as it is"
check "killed: what was committed is not fetched again" \
  [ "$(import_of "$disk" .bytes.fetched)" -le $(($(size_of "$made/plain.qcow2") + 1500000)) ]
is "$(import_of "$disk" '.attempts')" 2 "killed: two attempts"

# ---- audited, repaired, ensured

printf X | dd of="$disk" bs=1 seek=2000000 conv=notrunc status=none
run qimport audit "$disk"
exits 8 "another byte: the audit finds it"
run qimport audit -q --repair "$disk"
exits 0 "another byte: it is repaired"
assert_identical "$disk" "$made/plain.qcow2" "another byte: to the image as it was"
run qimport ensure --keep-format "$serve_url/plain.qcow2" "$disk"
is "$rc:$(cat out err)" 0: "ensured again: quiet and 0"
run qimport ensure --keep-format --snapshot one "$serve_url/plain.qcow2" "$disk"
exits 6 "ensured as something else: refused"
qemu-img snapshot -c used "$disk"
qemu-io -c 'write -P 9 10M 4M' "$disk" >/dev/null
check "used by a guest it is longer" [ "$(size_of "$disk")" -gt "$(size_of "$made/plain.qcow2")" ]
run qimport ensure --keep-format "$serve_url/plain.qcow2" "$disk"
is "$rc:$(cat out err)" 0: "ensured after a guest used it: quiet and 0"
fresh

# ---- a length that is no multiple of 512

odd=$made/snapshots.qcow2
check "an image may end anywhere" [ $(($(size_of "$odd") % 512)) != 0 ]
keep --verify "$odd"
exits 0 "such an image is kept and verified"
at=$(($(size_of "$odd") - 1))
printf '\377' | dd of="$disk" bs=1 seek=$at conv=notrunc status=none
run qimport audit "$disk"
exits 8 "its last byte is looked at"
run qimport audit -q --repair "$disk"
exits 0 "and repaired"
assert_identical "$disk" "$odd" "and it is no longer than it was"
fresh
keep --preallocate "$odd"
exits 0 "its space may be reserved"
assert_identical "$disk" "$odd" "for as many bytes as it has"
fresh

# ---- checksums

keep --sha256 "$(sha256sum <"$made/deflate.qcow2" | cut -d' ' -f1)" "$serve_url/deflate.qcow2"
exits 0 "with the right checksum it is kept"
fresh
keep --sha256 "$(sha256sum <"$made/plain.qcow2" | cut -d' ' -f1)" "$made/deflate.qcow2"
exits 4 "with another it is not"
check "  and its name is not there" [ ! -e "$disk" ]
fresh

# ---- checked first

cp "$made/plain.qcow2" "$made/bad.qcow2"
# the second entry of the first L2 table names the cluster of the L1 table
l1=$(od -An -tx1 -j 40 -N 8 "$made/bad.qcow2" | tr -d ' ')
l2=$(od -An -tx1 -j $((0x$l1)) -N 8 "$made/bad.qcow2" | tr -d ' ')
printf '%s' "80${l1#??}" | xxd -r -p | dd of="$made/bad.qcow2" bs=1 seek=$((0x${l2#??} + 8)) conv=notrunc status=none
: >"$serve_log"
keep "$serve_url/bad.qcow2"
exits 5 "an image whose tables overlap is refused"
one_message "  with one line"
check "  and neither it nor a part of it is there" sh -c '! ls "$1"* 2>/dev/null' - "$disk"
check "  nor was its data fetched" [ "$(sent bad.qcow2)" -lt 1000000 ]
is "$(qimport status --json | jq '.imports | length')" 0 "  nor is it in the journal"
qemu-img create -q -f qcow2 -F raw -b "$guest" "$made/top.qcow2"
keep "$made/top.qcow2"
exits 5 "an image that would name a backing file is refused"
check "  and named" grep -q 'backing file' err
head -c 5000000 "$made/plain.qcow2" >"$made/cut.qcow2"
keep "$made/cut.qcow2"
exits 5 "an image that is cut is refused"

# ---- what does not go with it

for other in '--snapshot one' '--backing x' '--unallocated keep'; do
  # shellcheck disable=SC2086
  keep $other "$made/snapshots.qcow2"
  exits 2 "$other does not go with it"
  one_message "  with one line"
done
"$QIMPORT" start -q --keep-format - "$disk" <"$made/plain.qcow2" 2>err
rc=$?
exits 2 "standard input cannot be kept"
keep --stream "$made/plain.qcow2"
exits 2 "nor what is read as a stream"
is "$(ls "$disk"* 2>/dev/null)" "" "  and none of them left anything"

# ---- a raw image, which is its own disk

head -c 100001 "$guest" >"$made/odd.img"
keep --format raw "$made/odd.img"
exits 0 "a raw image is kept, too"
assert_identical "$disk" "$made/odd.img" "  without what a disk of whole sectors would have more"
fresh

# ---- a name that says another thing

run qimport start --progress none "$made/plain.qcow2" "$disk"
exits 0 "a raw disk may be named .qcow2"
check "  but that is warned of" grep -q "will be a raw disk" err
fresh
run qimport start --progress none "$made/plain.qcow2" "$scratch/guest.img"
check "other names are not" sh -c '! grep -q "raw disk" "$1"' - err

done_testing
