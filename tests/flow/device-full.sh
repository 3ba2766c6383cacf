#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Targets and journals that get full, are cut, replaced or put back, and limits of the process: each
# ends with the status of the contract, and with the way out (T1, T8, T9, T16, T21, SQ9).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
mnt=$scratch/mnt
mkdir "$mnt"
trap 'umount "$mnt" 2>/dev/null; finish' EXIT
image plain 64K 8
serve

# A full target.
mount -t tmpfs -o size=4M none "$mnt"
disk=$mnt/disk
run qimport start -q "$url" "$disk"
exits 3 "a target that gets full ends with 3"
check "the message says so, and how to go on" grep -qi 'space.*resume' "$scratch/err"
run qimport resume -q "$disk"
exits 3 "a resume without more room ends with 3 again"
mount -o remount,size=64M "$mnt"
run qimport resume -q "$disk"
exits 0 "with more room it ends with 0"
assert_identical "$disk" "$expected" "and the disk is what qemu-img makes of the image"
umount "$mnt"

# A full journal.
mount -t tmpfs -o size=64k none "$mnt"
disk=$scratch/full-journal
run qimport start -q --journal "$mnt/j.db" "$url" "$disk"
exits 3 "a journal that gets full ends with 3"
one_message "full journal: one message"
mount -o remount,size=16M "$mnt"
if [ -e "$disk.qimport-part" ]; then run qimport resume -q --journal "$mnt/j.db" "$disk"
else run qimport start -q --journal "$mnt/j.db" "$url" "$disk"; fi
exits 0 "with more room for the journal it goes on"
assert_identical "$disk" "$expected" "full journal: the disk is what qemu-img makes of the image"
umount "$mnt"

# A limit on the size of files.
run sh -c 'ulimit -f 2048; exec "$0" start -q "$1" "$2"' "$QIMPORT" "$url" "$scratch/limited"
exits 6 "a limit on the size of files ends with 6, not with a signal"
check "limit: nothing is left behind" [ ! -e "$scratch/limited.qimport-part" ]

# What became of the target between two runs.
half () { # NAME: an import onto $disk that was interrupted when some of it was committed
  disk=$scratch/$1
  "$QIMPORT" start -q --commit-interval 0.1 --limit-rate 2M --max-time 2 "$url" "$disk" \
    2>"$scratch/err"
  is $? 3 "$1: --max-time interrupts with 3"
  check "$1: something is committed" [ "$(import_of "$disk" .bytes.guest_committed)" -gt 0 ]
  part=$disk.qimport-part
}
gone_on () { # STATUS WHAT
  run qimport resume -q --limit-rate 0 --max-time 60 "$disk"
  exits "$1" "$2"
}
half cut
truncate -s -65536 "$part"
gone_on 6 "a part file that was cut is refused with 6"
half replaced
cp "$part" "$part.copy" && mv "$part.copy" "$part"
gone_on 0 "a copy in the part file's place is as good"
half removed
rm "$part"
gone_on 6 "a part file that is gone is refused with 6"
run qimport resume -q --restart --limit-rate 0 --max-time 60 "$disk"
exits 0 "and resume --restart, as it says, begins again"
assert_identical "$disk" "$expected" "restarted: the disk is what qemu-img makes of the image"
half overwritten
dd if=/dev/zero of="$part" bs=64K count=64 conv=notrunc 2>/dev/null
gone_on 6 "a part file whose committed bytes are others is refused with 6"
half older
cp "$part" "$part.old"
"$QIMPORT" resume -q --limit-rate 2M --max-time 1 "$disk" 2>"$scratch/err"
cat "$part.old" >"$part" # the same file, as a backup had it
gone_on 6 "a part file put back from an older copy is refused with 6"
check "the message names what mends it" grep -q "audit --repair" "$scratch/err"
run qimport audit --repair "$disk"
exits 0 "audit --repair, as it says, fetches again what differs"
gone_on 0 "then a resume goes on"
assert_identical "$disk" "$expected" "older: the disk is what qemu-img makes of the image"
done_testing
