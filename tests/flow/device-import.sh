#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Block devices: what was there before shows nowhere, zeros included; what lies beyond the disk stays;
# what must not be written is refused before a byte is fetched; the first MiB comes last (T6, T10,
# T11, T13, J6).  With sectors of 512 and of 4096 bytes.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
loops=
trap 'umount "$scratch/mnt" 2>/dev/null; for l in $loops; do losetup -d "$l" 2>/dev/null; done; finish' EXIT

device () { # NAME BYTES OPTIONS...: sets $device; 0xaa everywhere
  back=$scratch/$1 bytes=$2
  shift 2
  head -c "$bytes" /dev/zero | tr '\0' '\252' >"$back"
  device=$(losetup -f --show "$@" "$back" 2>/dev/null) || skip_all "no loop device is free"
  loops="$loops $device"
}
requests () { wc -l <"$serve_log"; }

image plain 64K 8
serve
size=$(size_of "$expected")

for sector in 512 4096; do
  device disk$sector $((size + 2097152)) --sector-size $sector
  run qimport start -q --force "$url" "$device"
  exits 0 "sectors of $sector: an import ends with 0"
  check "sectors of $sector: the disk is what qemu-img makes of the image, zeros too" \
    cmp -n "$size" "$device" "$expected"
  is "$(tail -c 2097152 "$device" | tr -d '\252' | wc -c)" 0 \
    "sectors of $sector: what lies beyond the disk is as it was"
  run qimport audit "$device"
  exits 0 "sectors of $sector: audit finds no difference"
  qimport forget "$device"
done

# Killed in the middle: what made the old disk bootable is gone, the new one is not bootable yet.
device killed $((size + 1048576))
"$QIMPORT" start -q --force --commit-interval 0.2 --limit-rate 2M "$url" "$device" 2>"$scratch/err" &
pid=$!
background
for _ in $(seq 200); do
  [ "$(import_of "$device" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 3000000 ] 2>/dev/null && break
  sleep 0.05
done
run qimport start -q --force "$url" "$device"
check "another start onto it meanwhile is refused ($rc)" [ "$rc" = 7 -o "$rc" = 6 ]
run unshare -pf --mount-proc "$QIMPORT" forget "$device"
exits 7 "forget is refused from a container that cannot see the process"
check "it says who works on it, and that it cannot be seen from there" \
  grep -q "pid $pid on .*not" "$scratch/err"
kill -9 $pid
wait $pid 2>/dev/null
is "$(head -c 15 "$device")" "qimport: import" "killed in the middle, the device says whose it is"
is "$(head -c 1048576 "$device" | tail -c +513 | tr -d '\0' | wc -c)" 0 \
  "the rest of the first MiB is blank: neither the old disk nor half of the new one boots"
run qimport resume -q --limit-rate 0 "$device"
exits 0 "a resume ends with 0"
check "and the device is what qemu-img makes of the image" cmp -n "$size" "$device" "$expected"

# Refused, before anything is asked of the server.
refused () { # WHAT TARGET OPTIONS...
  what=$1 target=$2
  shift 2
  before=$(requests)
  run qimport start -q "$@" "$url" "$target"
  exits 6 "$what is refused with 6"
  one_message "$what: one message says why"
  is "$(requests)" "$before" "$what: nothing was asked of the server"
}
device fs $((size + 1048576))
guest_sbin mkfs.ext4 -q -F "$device" >/dev/null 2>&1
refused "a device that holds a file system, without --force," "$device"
mkdir "$scratch/mnt"
mount "$device" "$scratch/mnt"
refused "a mounted device, even with --force," "$device" --force
umount "$scratch/mnt"
ln -s "$device" "$scratch/link"
refused "a link to a device that holds a file system" "$scratch/link"
device readonly $((size + 1048576)) -r
refused "a read-only device" "$device" --force

# Its size is known only after the image's header was read: no data is fetched.
device small $((size - 1048576))
before=$(sent_bytes)
run qimport start -q --force "$url" "$device"
exits 6 "a device that is too small is refused with 6"
check "too small: no more than header and tables came ($(($(sent_bytes) - before)) bytes)" \
  [ $(($(sent_bytes) - before)) -le 1048576 ]
is "$(tr -d '\252' <"$device" | wc -c)" 0 "too small: not a byte of it was changed"

# A virtual machine's disk: a file, a device, and a device by a node of the machine's own, as
# libvirt makes it, where the kernel compares no locks.
hold () { # DISK: a process of qemu has it open until `let_go`
  rm -f "$scratch/hold"
  mkfifo "$scratch/hold"
  qemu-io -f raw "$1" <"$scratch/hold" >"$scratch/qemu" 2>&1 &
  holder=$!
  background
  exec 9>"$scratch/hold"
  echo 'read 0 512' >&9
  for _ in $(seq 100); do grep -q "^read" "$scratch/qemu" && break; sleep 0.05; done
}
let_go () {
  exec 9>&-
  wait $holder
}
qemu-img create -q -f raw "$scratch/vm.raw" 64M
hold "$scratch/vm.raw"
refused "the disk of a virtual machine that runs, even with --force," "$scratch/vm.raw" --force
let_go
device vm $((size + 1048576))
hold "$device"
refused "a device that a virtual machine runs from" "$device" --force
let_go
mknod "$scratch/node" b $((0x$(stat -c %t "$device"))) $((0x$(stat -c %T "$device")))
hold "$scratch/node"
refused "a device that a virtual machine knows by another node" "$device" --force
check "it says which process that is" grep -q "process $holder (qemu-io) holds a lock" "$scratch/err"
let_go
run qimport start -q --force --limit-rate 2M --max-time 1 "$url" "$device"
exits 3 "when that has ended the import begins"
hold "$scratch/node"
run qimport resume -q --limit-rate 0 "$device"
exits 6 "a machine that was started on it meanwhile keeps its disk: resume ends with 6"
let_go
"$QIMPORT" resume -q --limit-rate 1M "$device" 2>"$scratch/resume" &
pid=$!
background
for _ in $(seq 100); do grep -qs OFDLCK /proc/$pid/fdinfo/* && break; sleep 0.05; done
run qemu-io -f raw -c 'write 0 512' "$device"
check "while the import runs, qemu gets no lock on the device ($rc)" \
  grep -q 'Failed to .*lock' "$scratch/err"
kill -9 $pid
wait $pid 2>/dev/null
run qimport resume -q --limit-rate 0 "$device"
exits 0 "the resume after that ends with 0"
check "and the device is what qemu-img makes of it" cmp -n "$size" "$device" "$expected"
done_testing
