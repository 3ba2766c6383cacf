#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Backing chains given explicitly, deltas onto what a target holds, and snapshots: as qemu-img has
# them; a chain that does not fit is refused and nothing is made.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
disk=$scratch/disk
fresh () { rm -f "$disk" "$disk.qimport-part"; }
write () { f=$1; shift; for c in "$@"; do qemu-io -f qcow2 -c "$c" "$f" >/dev/null || bail "qemu-io $c"; done; }

qemu-img create -q -f qcow2 base.qcow2 6M
write base.qcow2 'write -P 1 0 3M' 'write -P 2 5M 512k'
qemu-img convert -q -O qcow2 -c base.qcow2 base-c.qcow2
qemu-img convert -q -O raw base.qcow2 base.raw
qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 -o cluster_size=4k mid.qcow2 8M
write mid.qcow2 'write -P 3 100k 20k' 'write -z 2M 64k' 'write -P 4 7M 100k'
qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 top.qcow2 7M
write top.qcow2 'write -P 5 1M 64k' 'write -P 6 5M 64k'
qemu-img convert -q -O raw top.qcow2 top.raw

run qimport start -q --backing mid.qcow2 --backing base.qcow2 top.qcow2 "$disk"
exits 0 "a chain of three is imported, given top down"
assert_identical "$disk" top.raw "as qemu-img convert has it"
fresh
run qimport start -q --backing mid.qcow2 --backing base-c.qcow2 top.qcow2 "$disk"
exits 0 "a base that is compressed does as well"
assert_identical "$disk" top.raw "identical"
fresh
qemu-img create -q -f qcow2 -F raw -b base.raw over.qcow2 8M
write over.qcow2 'write -P 9 4M 64k'
qemu-img convert -q -O raw over.qcow2 over.raw
run qimport start -q --backing base.raw over.qcow2 "$disk"
exits 0 "so does a raw one, smaller than the overlay"
assert_identical "$disk" over.raw "identical"
fresh
run qimport start -q top.qcow2 "$disk"
exits 5 "without --backing an overlay is refused"
one_message "and one line says why"
run qimport start -q --backing mid.qcow2 top.qcow2 "$disk"
exits 5 "a chain that is too short is refused"
run qimport start -q --backing mid.qcow2 base.qcow2 "$disk"
exits 5 "a backing file too many is refused"
check "nothing was made" [ ! -e "$disk" -a ! -e "$disk.qimport-part" ]

# ---- order: by the names in the overlays, which are looked at and never opened

mkdir moved
cp mid.qcow2 "mid dle.qcow2"
qemu-img create -q -f qcow2 -F qcow2 -b "mid dle.qcow2" over.qcow2
cp over.qcow2 over2.qcow2
write over2.qcow2 'write -P 7 3M 64k'
qemu-img rebase -u -F qcow2 -b over.qcow2 over2.qcow2
qemu-img convert -q -O raw over2.qcow2 over2.raw
run qimport start -q --backing over.qcow2 --backing "file://$scratch/mid%20dle.qcow2" \
  --backing base.qcow2 over2.qcow2 "$disk"
exits 0 "a chain of four is imported, a name in its URL escaped"
assert_identical "$disk" over2.raw "identical"
is "$(cat err)" '' "and nothing is warned of"
fresh
run qimport start -q --backing "mid dle.qcow2" --backing over.qcow2 \
  --backing base.qcow2 over2.qcow2 "$disk"
exits 5 "two of them the wrong way round are refused"
one_message "with one line"
check "that says which is whose" grep -q 'over2.qcow2: its backing file is "over.qcow2", but' err
check "and nothing is made" [ ! -e "$disk" -a ! -e "$disk.qimport-part" ]
mv base.qcow2 moved/renamed
run qimport start --progress none --backing mid.qcow2 --backing moved/renamed top.qcow2 "$disk"
exits 0 "a file that was renamed is taken"
assert_identical "$disk" top.raw "identical"
check "with a warning" grep -q 'mid.qcow2: its backing file was "base.qcow2", and .*renamed is' err
fresh
mv moved/renamed base.qcow2

# ---- formats: the overlay's word holds

cp base-c.qcow2 looks.raw
qemu-img create -q -f qcow2 -F raw -b looks.raw over.qcow2
qemu-img convert -q -O raw over.qcow2 over.raw
run qimport start --progress none --backing looks.raw over.qcow2 "$disk"
exits 0 "a raw disk on which a guest wrote a qcow2 header is raw"
assert_identical "$disk" over.raw "as qemu-img reads it"
check "with a warning" grep -q 'looks.raw: read as raw, as .*over.qcow2 says, though' err
fresh
qemu-img rebase -u -F qcow2 -b base.raw over.qcow2
run qimport start -q --backing base.raw over.qcow2 "$disk"
exits 5 "a raw file for a qcow2 one is refused"
one_message "in one line"
qemu-img rebase -u -F vmdk -b base.raw over.qcow2
run qimport start -q --backing base.raw over.qcow2 "$disk"
exits 5 "another format is refused"
check "by its name" grep -q 'is of format "vmdk", and only qcow2 and raw are read; convert it' err
for word in RAW file host_device; do
  qemu-img create -q -f qcow2 -F raw -b base.raw over.qcow2
  python3 - over.qcow2 "$word" <<'END'
import sys
image = bytearray(open(sys.argv[1], "rb").read())
at = image.find(bytes.fromhex("e2792aca"))
word = sys.argv[2].encode()
image[at + 4:at + 8] = len(word).to_bytes(4, "big")
tail = image[at + 16:at + 4096]  # what follows the old value, "raw" filled up to 8 bytes
room = (len(word) + 7) // 8 * 8
image[at + 8:at + 8 + room + len(tail)] = word.ljust(room, b"\0") + tail
open(sys.argv[1], "wb").write(image)
END
  run qimport start -q --backing base.raw over.qcow2 "$disk"
  check "a base of format $word is told to be called raw" \
    grep -q "is of format .*; that means raw: say so with qemu-img rebase -u -F raw" err
done
for below in base.raw base-c.qcow2; do
  qemu-img create -q -f qcow2 -F raw -b base.raw over.qcow2
  python3 - over.qcow2 <<'END'
import sys
image = bytearray(open(sys.argv[1], "rb").read())
at = image.find(bytes.fromhex("e2792aca"))
image[at:at + 4] = b"none"
open(sys.argv[1], "wb").write(image)
END
  run qimport start -q --backing $below over.qcow2 "$disk"
  exits 0 "where it says nothing, $below is what it looks like"
  assert_identical "$disk" base.raw "identical"
  fresh
done
# Where it says nothing, qemu would see another format in these, and they are no raw disks.
without_format () { # NAME: an overlay of the size of base.raw, whose base is of no format
  rm -f unsaid.qcow2
  qemu-img create -q -u -f qcow2 -F raw -b "$1" unsaid.qcow2 6M
  python3 - unsaid.qcow2 <<'END'
import sys
image = bytearray(open(sys.argv[1], "rb").read())
at = image.find(bytes.fromhex("e2792aca"))
image[at:at + 4] = b"none"
open(sys.argv[1], "wb").write(image)
END
}
for format in vmdk vdi vhdx vpc qcow qed parallels luks cowd bochs; do
  rm -f other.img
  case $format in
    luks) qemu-img create -q -f luks --object secret,id=s,data=x -o key-secret=s,iter-time=10 other.img 6M ;;
    cowd) { printf 'COWD'; head -c 6291452 /dev/zero; } >other.img ;;
    bochs) { printf 'Bochs Virtual HD Image'; head -c 6291434 /dev/zero; } >other.img ;;
    *) qemu-img convert -q -O $format base.raw other.img ;;
  esac >/dev/null 2>&1 || { skip "$format" "qemu-img makes none"; continue; }
  truncate -s %512 other.img
  without_format other.img
  run qimport start -q --backing other.img unsaid.qcow2 "$disk"
  exits 5 "a backing file that is $format, of which nothing says that it is raw, is refused"
  check "by its name" grep -q 'other.img' err
  check "and nothing is made" [ ! -e "$disk" -a ! -e "$disk.qimport-part" ]
  fresh
  qemu-img rebase -u -F raw -b other.img unsaid.qcow2
  run qimport start -q --backing other.img unsaid.qcow2 "$disk"
  exits 0 "where the overlay says raw, it is a raw disk"
  qemu-img convert -q -O raw unsaid.qcow2 unsaid.raw
  assert_identical "$disk" unsaid.raw "as qemu-img reads it"
  fresh
done
head -c 9437184 /dev/urandom >long.raw
qemu-img create -q -f qcow2 -F raw -b long.raw over.qcow2 3000832
write over.qcow2 'write -P 9 64k 64k'
qemu-img convert -q -O raw over.qcow2 over.raw
run qimport start -q --backing long.raw over.qcow2 "$disk"
exits 0 "a raw one may be larger than the overlay"
assert_identical "$disk" over.raw "identical"
fresh

# ---- every layer is a source of its own

qemu-img create -q -f qcow2 low.qcow2 16M
write low.qcow2 'write -P 1 0 16M'
qemu-img create -q -f qcow2 -F qcow2 -b low.qcow2 high.qcow2
write high.qcow2 'write -P 2 12M 1M'
qemu-img convert -q -O raw high.qcow2 high.raw
"$QIMPORT" start -q --limit-rate 4M --commit-interval 0.1 --backing low.qcow2 high.qcow2 chained &
background
for _ in $(seq 100); do
  [ "$(import_of chained .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.1
done
kill -9 $!
wait $! 2>/dev/null
check "killed, there is no disk" [ ! -e chained ]
mv low.qcow2 low
cp low low.qcow2
write low.qcow2 'write -P 3 12M 64k' 'write -P 3 8M 64k'
run qimport resume -q chained
exits 4 "a backing file that was written to meanwhile is refused"
one_message "in one line"
mv low low.qcow2
run qimport resume -q chained
exits 0 "the file itself is known again"
assert_identical chained high.raw "and the disk is as qemu-img reads it"

cp top.raw below.raw
qemu-img create -q -f qcow2 delta.qcow2 7M
write delta.qcow2 'write -P 7 64k 64k' 'write -z 1M 64k' 'write -P 8 6M 1M'
cp top.raw want.raw
for c in 'write -P 7 64k 64k' 'write -z 1M 64k' 'write -P 8 6M 1M'; do
  qemu-io -f raw -c "$c" want.raw >/dev/null
done
run qimport start -q --unallocated keep delta.qcow2 below.raw
exits 0 "--unallocated keep writes a delta onto what is there"
assert_identical below.raw want.raw "and leaves the rest as it was"
run qimport start -q --unallocated keep delta.qcow2 "$disk"
exits 6 "onto nothing it cannot"

qemu-img create -q -f qcow2 snap.qcow2 4M
write snap.qcow2 'write -P 1 0 2M'
qemu-img snapshot -c before snap.qcow2
write snap.qcow2 'write -P 2 1M 2M'
qemu-img convert -q -O raw -l snapshot.name=before snap.qcow2 before.raw
qemu-img convert -q -O raw snap.qcow2 after.raw
run qimport start -q --snapshot before snap.qcow2 "$disk"
exits 0 "--snapshot imports an internal snapshot"
assert_identical "$disk" before.raw "as qemu-img convert -l has it"
fresh
run qimport start -q snap.qcow2 "$disk"
assert_identical "$disk" after.raw "the active disk is another"
fresh
run qimport start -q --snapshot none snap.qcow2 "$disk"
exits 2 "a snapshot that is not there is told"

is "$(qimport map --json --backing mid.qcow2 --backing base.qcow2 top.qcow2 | jq 'map(.length) | add')" \
  "$(stat -c %s top.raw)" "map covers the whole disk"
is "$(qimport info --json top.qcow2 | jq -r '.importable, ."backing-filename"' | tr '\n' ' ')" \
  "false mid.qcow2 " "info says what is missing"
done_testing
