#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Disks that fail, fill up, become read-only, or are cut under a running import: it ends with the
# status of the contract, one message and nothing half-done, and goes on when the disk is mended
# (T1 to T5, T16, T18, T19, T21, SQ9).  As root with real devices, too: there it is the kernel that
# drops what it could not write and then says that all is well.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
tool at-call
at_call=$tool
small_image
part=$disk.qimport-part
plain_asan=$ASAN_OPTIONS
link=
undo () {
  umount "$scratch/mnt" 2>/dev/null
  [ -z "$link" ] || losetup -d "$link" 2>/dev/null
  umount "$scratch/fuse" 2>/dev/null
}
trap 'undo; finish' EXIT

mended () { # WHAT
  check "$1: it has no name yet" [ -n "$device" -o ! -e "$disk" ]
  wrong=
  recovers "$1"
  is "$wrong" "" "$1: what is committed is there, and a resume ends identical"
}

# ---- One call, by a tracer

# struck WHAT HOW ERRNO CALL STATUS
struck () {
  fresh
  "$at_call" $2 "$3" -o "$4* $part" "$QIMPORT" start -q --commit-interval 0.1 --limit-rate 16M \
    "$image" "$disk" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
  exits "$5" "$1: the import ends with $5"
  one_message "$1: one message says so"
  mended "$1"
}
if "$at_call" true; then
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
  struck "one write fails" "-e 2" 5 pwrite 6
  struck "the quota is used up" "-E 2" 122 pwrite 3
  struck "the file system is read-only all at once" "-E 2" 30 pwrite 6
  struck "there is room for a write, and none at the sync" "-e 2" 28 fdatasync 3
  struck "not a hole can be made and no size set" "-E 1" 28 ftruncate 3
  ASAN_OPTIONS=$plain_asan
else
  skip "a write fails" "programs cannot be traced here"
fi

# ---- In the middle of a run

# midway OPTIONS...: an import that goes on in the background, when something is committed; $pid
midway () {
  "$QIMPORT" start -q ${device:+--force} --commit-interval 0.1 --limit-rate 2M "$image" "$disk" \
    >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  background
  for _ in $(seq 100); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 1048576 ] 2>/dev/null && break
    sleep 0.05
  done
}
ended () { # WHAT STATUS
  wait $pid
  rc=$?
  exits "$2" "$1: the import ends with $2"
  one_message "$1: one message says so"
}

fresh
midway
prlimit --pid $pid --fsize=3145728:unlimited
ended "the limit on the size of files is lowered meanwhile" 6
mended "the limit on the size of files is lowered meanwhile"

fresh
midway
truncate -s 0 "$part"
ended "the part file is cut meanwhile" 6
check "the part file is cut meanwhile: not all was fetched before it was noticed" \
  [ "$(import_of "$disk" .bytes.fetched)" -lt "$(import_of "$disk" .bytes.image_total)" ]
run qimport resume -q "$disk"
exits 6 "the part file is cut meanwhile: a resume refuses it"
run qimport resume -q --restart --limit-rate 0 "$disk"
exits 0 "the part file is cut meanwhile: --restart begins anew"
assert_identical "$disk" "$expected" "the part file is cut meanwhile: then the disk is identical"

fresh
midway
rm -f "$part"
ended "the part file is deleted meanwhile" 6
check "the part file is deleted meanwhile: not all was fetched before it was noticed" \
  [ "$(import_of "$disk" .bytes.fetched)" -lt "$(import_of "$disk" .bytes.image_total)" ]

# ---- Devices that fail

if [ "$(id -u)" != 0 ] || [ ! -c /dev/fuse ]; then
  skip "devices that fail" "making them needs root and FUSE"
  done_testing
  exit 0
fi
mkdir "$scratch/fuse" "$scratch/mnt"
head -c 8M /dev/zero | tr '\0' '\252' >"$scratch/stale"
cp "$scratch/stale" "$scratch/raw"
truncate -s 32M "$scratch/fs"
guest_sbin mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard -J size=4 "$scratch/fs"
"$top_srcdir/tests/tools/recorder.py" /dev/null "$scratch/fuse" raw="$scratch/raw" fs="$scratch/fs" \
  fail="$scratch/orders" >"$scratch/recorder" 2>&1 &
background
for _ in $(seq 100); do grep -q ready "$scratch/recorder" && break; sleep 0.05; done

attach () { # NAME
  [ -z "$link" ] || losetup -d "$link"
  link=$(losetup -f --show "$scratch/fuse/$1" 2>"$scratch/err") || return 1
  # The loop driver takes a write of which only the second half fails for a good one.
  echo 128 >"/sys/block/${link#/dev/}/queue/max_sectors_kb"
}
if ! attach raw; then
  skip "devices that fail" "$(cat "$scratch/err" "$scratch/recorder")"
  done_testing
  exit 0
fi
ln -s "$link" "$scratch/device"
device=$scratch/device disk=$scratch/device

struck_device () { # WHAT ORDERS
  rm -f "$scratch/orders"
  fresh
  midway
  echo "$2" >"$scratch/orders"
  ended "$1" 6
  run qimport resume -q "$disk"
  exits 6 "$1: a resume before it is mended ends with 6"
  rm "$scratch/orders"
  attach raw
  ln -sf "$link" "$scratch/device"
  mended "$1"
}
struck_device "a device that fails" 5
struck_device "a device with one bad sector" "5 $((4 << 20)) 512"

attach fs
mount "$link" "$scratch/mnt"
device='' disk=$scratch/mnt/disk
fresh
midway
echo 5 >"$scratch/orders"
ended "the disk below a file system fails" 6
rm "$scratch/orders"
umount "$scratch/mnt"
mount "$link" "$scratch/mnt"
mended "the disk below a file system fails"
done_testing
