#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A target names its import: by another name, from another journal, after another disk took its
# place, or put back from an older copy, nothing is written that is not ours to write.  Runs as
# root, on loop devices.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
losetup -f >/dev/null 2>&1 || skip_all "there are no loop devices here"

image plain 64K 24
serve
size=$(stat -c %s "$expected")
loops=
loop () { # NAME: $device, over $scratch/NAME, which is made if it is not there
  [ -e "$scratch/$1" ] || truncate -s $((size + 1048576)) "$scratch/$1"
  device=$(losetup -f --show "$scratch/$1") || bail "losetup"
  loops="$loops $device"
}
let_go_of () { losetup -d "$1"; }
at_end () { for l in $loops; do losetup -d "$l" 2>/dev/null; done; }
exits () { # STATUS SENTENCE
  if [ "$rc" = "$1" ]; then ok "$2"; else not_ok "$2" "exit status $rc, not $1" "$(cat "$scratch/err")"; fi
}
same () { cmp -s -n "$size" "$1" "$expected"; }
sum () { head -c "$size" "$1" | sha256sum; }
half () { # TARGET OPTIONS...: interrupted, with something committed
  target=$1
  shift
  run qimport start -q --limit-rate 4M --max-time 1 "$@" "$url" "$target"
  [ "$rc" = 3 ] || bail "not interrupted: $rc $(cat "$scratch/err")"
}
other=$scratch/other.db

# ---- Another name, another journal

loop disk
first=$device
half "$first"
id=$(import_of "$first" .id)
check "head -c 512 of the device says whose it is" \
  sh -c 'head -c 512 "$1" | grep -aq "qimport: import $2 in progress, begun 20.*, journal $3"' - \
  "$first" "$id" "$QIMPORT_JOURNAL"
loop disk
second=$device
before=$(sum "$second")
run qimport start -q "$url" "$second"
exits 6 "start on the same disk by another name is refused with 6"
check "it names the import and both ways out" \
  grep -q "$first: has an interrupted import; .qimport resume .* --force" "$scratch/err"
run qimport start -q --journal "$other" "$url" "$second"
exits 6 "start from another journal is refused with 6"
check "it names the import, when it began, and both ways out" \
  grep -q "marker of an import in progress: $id, begun .*qimport resume .* --force" "$scratch/err"
run qimport ensure -q --journal "$other" "$url" "$second"
exits 6 "ensure from another journal is refused with 6"
is "$(sum "$second")" "$before" "and not a byte of it was changed"
run qimport start -q --force --journal "$other" --limit-rate 4M --max-time 1 "$url" "$second"
exits 3 "--force gives up what the first one wrote"
run qimport resume -q --limit-rate 0 "$first"
exits 6 "an import whose target carries the marker of another is not resumed"
run qimport resume -q --limit-rate 0 --journal "$other" "$second"
exits 0 "the other one is"
check "and makes the disk" same "$second"
printf 'used by a guest' | dd of="$second" bs=1M seek=2 conv=notrunc 2>/dev/null
let_go_of "$second"
used=$(sum "$scratch/disk")
run qimport resume -q --limit-rate 0 "$first"
exits 6 "the first import is not resumed over the disk that the second one made"
check "it says that it does not carry the marker" grep -q "does not carry the marker" "$scratch/err"
run qimport resume -q --limit-rate 0 --restart "$first"
exits 6 "nor with --restart"
run qimport audit -q --repair "$first"
exits 6 "nor by audit --repair"
is "$(sum "$scratch/disk")" "$used" "what the guest wrote is still there"
run qimport forget "$first"
run qimport start -q --force "$url" "$first"
exits 0 "forget, then start --force, gets out"
check "with the right disk" same "$first"
let_go_of "$first"

# ---- A partition, and the disk it is on

truncate -s $((2 * size + 4194304)) "$scratch/parts"
printf 'label: dos\n2048,%s\n' $((size / 512 + 2048)) | sfdisk -q "$scratch/parts" 2>/dev/null
whole=$(losetup -fP --show "$scratch/parts")
loops="$loops $whole"
if [ -b "${whole}p1" ]; then
  half "${whole}p1"
  run qimport start -q "$url" "$whole"
  exits 6 "the disk of a partition that is being imported is refused with 6"
  check "by the marker of the partition" grep -q "marker of an import in progress" "$scratch/err"
  run qimport resume -q --limit-rate 0 "${whole}p1"
  exits 0 "the partition's import goes on"
  dd if=/dev/zero of="$whole" bs=1M count=1 conv=notrunc 2>/dev/null
  half "$whole" --force
  run qimport start -q "$url" "${whole}p1"
  exits 6 "a partition of a disk that is being imported is refused with 6"
  check "by the marker of the disk" grep -q "marker of an import in progress" "$scratch/err"
else
  skip "a partition and its disk" "the kernel makes no partitions of loop devices here"
fi
losetup -d "$whole" 2>/dev/null

# ---- A journal that is older than its target

for kind in file device; do
  if [ $kind = file ]; then target=$scratch/older.raw; else loop older; target=$device; fi
  half "$target"
  sqlite3 "$QIMPORT_JOURNAL" ".backup $scratch/backup.db" 2>/dev/null ||
    python3 -c 'import sqlite3, sys
a, b = (sqlite3.connect (p) for p in sys.argv[1:]); a.backup (b)' "$QIMPORT_JOURNAL" "$scratch/backup.db"
  run qimport resume -q --limit-rate 0 "$target"
  exits 0 "$kind: the import completes"
  printf 'used by a guest' | dd of="$target" bs=1M seek=3 conv=notrunc 2>/dev/null
  used=$(sum "$target")
  run qimport resume -q --limit-rate 0 --journal "$scratch/backup.db" "$target"
  exits 6 "$kind: a journal put back from before does not resume over the finished disk"
  is "$(sum "$target")" "$used" "$kind: what the guest wrote is still there"
  run qimport ensure -q --journal "$scratch/backup.db" "$url" "$target"
  exits 6 "$kind: nor does ensure"
  is "$(sum "$target")" "$used" "$kind: it is still there"
  rm -f "$scratch/backup.db"*
done

# ---- Another disk under the same name, without a serial number

loop gone
ln -s "$device" "$scratch/named"
half "$scratch/named" --digest off
truncate -s $((size + 1048576)) "$scratch/precious"
mkfs.ext4 -q -F -L precious "$scratch/precious"
before=$(sum "$scratch/precious")
loop precious
ln -sf "$device" "$scratch/named"
for how in "resume" "resume --restart" "audit --repair"; do
  run qimport $how -q "$scratch/named"
  check "$how of another disk under the same name is refused ($rc)" [ "$rc" != 0 ]
done
is "$(sum "$scratch/precious")" "$before" "the other disk is as it was"
run qimport resume -q --restart --force "$scratch/named"
exits 0 "with --force it is begun anew there"
check "with the right disk" same "$device"

# ---- A file that is the same, though nothing but its marker says so

half "$scratch/moved.raw"
cp --sparse=always "$scratch/moved.raw.qimport-part" "$scratch/copy"
mv "$scratch/copy" "$scratch/moved.raw.qimport-part"
run qimport resume -q --limit-rate 0 "$scratch/moved.raw"
exits 0 "a part file with another inode and no attributes is resumed by its marker"
assert_identical "$scratch/moved.raw" "$expected" "and makes the right disk"

# ---- Older copies of both, mixed

half "$scratch/mixed.raw"
part=$scratch/mixed.raw.qimport-part
keep () { # NAME
  cp --sparse=always "$part" "$scratch/$1.part"
  python3 -c 'import sqlite3, sys
a, b = (sqlite3.connect (p) for p in sys.argv[1:]); a.backup (b)' "$QIMPORT_JOURNAL" "$scratch/$1.db"
}
keep one
run qimport resume -q --limit-rate 4M --max-time 1 "$scratch/mixed.raw"
keep two
cp "$scratch/one.part" "$part"
run qimport resume -q --limit-rate 4M --max-time 1 --journal "$scratch/one.db" "$scratch/mixed.raw"
exits 3 "older copies of journal and target together go on"
cp "$scratch/two.part" "$part"
run qimport resume -q --limit-rate 0 --journal "$scratch/one.db" "$scratch/mixed.raw"
exits 6 "with the target of the other history it is refused"
run qimport audit -q --journal "$scratch/one.db" --repair "$scratch/mixed.raw"
exits 0 "audit --repair fetches what is not there"
run qimport resume -q --limit-rate 0 --journal "$scratch/one.db" "$scratch/mixed.raw"
exits 0 "and then a resume goes on"
assert_identical "$scratch/mixed.raw" "$expected" "to the right disk"

# ---- What a target held, with --unallocated keep

head -c "$size" /dev/urandom >"$scratch/base.raw"
qemu-img create -q -f qcow2 "$scratch/delta.qcow2" "$size"
qemu-io -c 'write -P 7 1M 64k' "$scratch/delta.qcow2" >/dev/null
cp "$scratch/base.raw" "$scratch/kept.raw"
cp "$scratch/base.raw" "$scratch/want.raw"
qemu-io -f raw -c 'write -P 7 1M 64k' "$scratch/want.raw" >/dev/null
run qimport start -q --unallocated keep --force "$scratch/delta.qcow2" "$scratch/kept.raw"
exits 0 "a delta goes onto what is there"
check "and the first sector, where the marker stood, is as it was" \
  cmp "$scratch/kept.raw" "$scratch/want.raw"
at_end
done_testing
