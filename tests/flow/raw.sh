#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Raw images: the disk itself, known by its first bytes or by --format, never by its name.  Over
# ranges they have what qcow2 images have: resume, audit, repair, checksums, sparse disks.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K 8
guest=$expected disk=$scratch/disk files=$scratch/files
mkdir "$files"
serve_start "$scratch/nginx" "$files" || bail "nginx does not start"
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
# imported FILE WANT SENTENCE [OPTION...]: with exit 0, to the disk that it must be
imported () {
  from=$1 want=$2 sentence=$3
  shift 3
  fresh
  run "$QIMPORT" start -q "$@" "$from" "$disk"
  exits 0 "$sentence: exit 0"
  assert_identical "$disk" "$want" "$sentence: the disk is right"
}
# refused FILE STATUS SENTENCE PATTERN [OPTION...]
refused () {
  from=$1 status=$2 sentence=$3 pattern=$4
  shift 4
  fresh
  run "$QIMPORT" start -q "$@" "$from" "$disk"
  exits "$status" "$sentence: exit $status"
  check "$sentence: told" grep -q -- "$pattern" "$scratch/err"
  one_message "$sentence: in one line"
  check "$sentence: nothing is there" [ ! -e "$disk" -a ! -e "$disk.qimport-part" ]
}
padded () { qemu-img convert -q -f raw -O raw "$1" "$1.padded"; }

# ---- what it is, its bytes say, and then the user

cp "$guest" "$files/disk.qcow2"
cp "$image" "$files/image.raw"
imported "$serve_url/disk.qcow2" "$guest" "a raw disk with a partition table, under another name"
is "$(qimport receipt "$disk" | jq -r .image.features)" raw "  the receipt says that it is raw"
imported "$serve_url/image.raw" "$guest" "a qcow2 image under the name of a raw one"
# file_system NAME: its first MiBs, without a partition table
head -c 40M /dev/zero >"$files/fs"
mkfs.ext4 -q -F "$files/fs" 8M 2>/dev/null
imported "$files/fs" "$files/fs" "a file system without a partition table"
head -c 3M /dev/zero >"$files/iso"
printf '\001CD001\001' | dd of="$files/iso" bs=1 seek=32768 conv=notrunc status=none
imported "$files/iso" "$files/iso" "an ISO 9660 file system"
refused "$guest" 5 "--format qcow2 of what is raw" "no qcow2 image.*a raw disk" --format qcow2
head -c 3M /dev/urandom >"$files/noise"
printf xx | dd of="$files/noise" conv=notrunc status=none
refused "$files/noise" 5 "what shows nothing" "say --format raw"
imported "$files/noise" "$files/noise" "with --format raw it is a disk" --format raw
refused "$files/noise" 2 "a snapshot of a raw disk" "no snapshots" --format raw --snapshot a
refused "$files/noise" 5 "a raw disk over a backing file" "no backing file" --format raw --backing "$guest"
refused "$files/noise" 5 "a raw disk that is larger than it may be" "max-size" --format raw --max-size 1M
: >"$files/empty"
refused "$files/empty" 5 "an empty file" "empty" --format raw
{ cat "$files/iso"; printf conectix; head -c 504 /dev/zero; } >"$files/vhd"
refused "$files/vhd" 5 "a fixed VHD, which says so in its last sector" "VHD"
imported "$files/vhd" "$files/vhd" "unless the user says that it is raw" --format raw
{ cat "$files/iso"; printf koly; head -c 508 /dev/zero; } >"$files/dmg"
refused "$files/dmg" 5 "a DMG" "DMG"
imported "$files/image.raw" "$image" "a qcow2 image that is asked for as raw stays one" --format raw

# ---- a length that is no multiple of 512

for length in 1 511 513 1000001 3000001; do
  head -c $length "$files/noise" >"$files/odd"
  padded "$files/odd"
  imported "$serve_url/odd" "$files/odd.padded" "of $length bytes, padded with zeros" --format raw \
    --sha256 "$(sha256sum <"$files/odd" | cut -d' ' -f1)"
done
run "$QIMPORT" audit -q "$disk"
exits 0 "its audit finds nothing"
is "$(qimport map --json "$disk" | jq -c '[.[] | [.start, .length, .data, .compressed]]')" '[[0,3000320,true,false]]' \
  "its map is one run of data"
is "$(qimport info --json --format raw "$files/odd" | jq -c '[.format, .["virtual-size"], .importable]')" \
  '["raw",3000320,true]' "info says what it is"
qemu-img create -q -f qcow2 -F raw -b "$files/odd" "$files/top.qcow2" 6M
qemu-io -f qcow2 -c 'write -P 7 65536 65536' "$files/top.qcow2" >/dev/null || bail qemu-io
qemu-img convert -q -O raw "$files/top.qcow2" "$files/flat"
imported "$files/top.qcow2" "$files/flat" "a backing file of such a length" --backing "$files/odd"

# ---- sparse results

head -c 64M /dev/zero >"$files/sparse"
dd if="$guest" of="$files/sparse" bs=1M count=2 conv=notrunc status=none
imported "$serve_url/sparse" "$files/sparse" "a disk of zeros, but for its beginning"
check "  takes little room" [ "$(du -k "$disk" | cut -f1)" -le 4096 ]

# ---- audit, repair, receipt

imported "$serve_url/disk.qcow2" "$guest" "one to look at"
printf X | dd of="$disk" bs=1 seek=5000000 conv=notrunc status=none
run "$QIMPORT" audit --json "$disk"
exits 8 "an audit finds a byte that is another"
is "$(jq '[.differences[] | select (.start <= 5000000 and .start + .length > 5000000)] | length' "$scratch/out")" 1 \
  "  and says where"
run "$QIMPORT" audit -q --repair "$disk"
exits 0 "--repair fetches it again"
assert_identical "$disk" "$guest" "  and the disk is right"

# ---- kills

serve_stop
rm -f "$scratch/nginx/access.log"
serve_start "$scratch/nginx" "$files" || bail nginx
fresh
url=$serve_url/disk.qcow2 image=$files/disk.qcow2
set -- start -q --limit-rate 4M --commit-interval 0.2 "$url" "$disk"
for percent in 15 35 55; do
  "$QIMPORT" "$@" 2>>"$scratch/err" &
  background
  for _ in $(seq 200); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -ge $(($(size_of "$guest") * percent / 100)) ] 2>/dev/null && break
    sleep 0.05
  done
  kill_after_ms $! 1
  set -- resume -q "$disk"
done
run "$QIMPORT" ensure -q --limit-rate 0 "$url" "$disk"
exits 0 "after three kills the last resume ends with 0"
assert_identical "$disk" "$guest" "  and the disk is right"
note "$(size_of "$guest") bytes, sent $(sent_bytes)"
check "  little is fetched twice" [ "$(sent_bytes)" -le $(($(size_of "$guest") * 105 / 100 + 3 * 4194304 * 9 / 5)) ]
done_testing
