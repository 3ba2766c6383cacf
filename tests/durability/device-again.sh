#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Devices between two runs: another disk under the same name, or one that was cut, is found before
# anything is written (T10, T12); the same one is known by its marker (J9).  Disks that end within a large sector (T20), and zeros by
# guaranteed means only (T7).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
small_image
loop=
trap '[ -z "$loop" ] || losetup -d "$loop" 2>/dev/null; finish' EXIT
stale () { head -c "$1" /dev/zero | tr '\0' '\252'; }
attach () { # FILE OPTIONS...
  [ -z "$loop" ] || losetup -d "$loop"
  loop=$(losetup -f --show "$@") || skip_all "no loop device is free"
  ln -sf "$loop" "$scratch/device"
}
disk=$scratch/device

stale 8M >"$scratch/one"
stale 8M >"$scratch/two"
attach "$scratch/one"
"$QIMPORT" start -q --force --commit-interval 0.1 --limit-rate 1M --max-time 1 "$image" "$disk" 2>"$scratch/err"
is $? 3 "an import onto a device is interrupted with 3"
cp --sparse=never "$scratch/one" "$scratch/copy"

refused () { # WHAT FILE WORDS
  before=$(sha256sum <"$2")
  run qimport resume -q "$disk"
  exits 6 "$1 is refused with 6"
  one_message "$1: one message says so"
  check "$1: and why" grep -q "$3" "$scratch/err"
  sync "$2"
  is "$(sha256sum <"$2")" "$before" "$1: not a byte of it was changed"
}
attach "$scratch/two"
refused "another disk under the same name" "$scratch/two" "not the device"
attach "$scratch/one"
truncate -s 5M "$scratch/one"
losetup -c "$loop"
refused "the disk, cut until it is too small," "$scratch/one" "5242880"
rm "$disk"
stale 8M >"$disk"
refused "a file where the device was" "$disk" "not the device\|no block device\|device"
rm "$disk"
run qimport resume -q "$disk"
exits 6 "a device that is not there is refused with 6"

# Its marker tells whose it is, whatever it is called, wherever it lies, however large it has become.
truncate -s 9M "$scratch/copy"
attach "$scratch/copy"
run qimport resume -q "$disk"
exits 0 "a copy of the disk, in another place and larger, is gone on with"
check "and holds what qemu-img makes of the image" cmp -n "$(size_of "$expected")" "$disk" "$expected"

# Disks that end within a sector, or a page, of the device.
odd () { # SECTOR BYTES
  image=$scratch/odd.qcow2
  rm -f "$journal"* "$image"
  qemu-img create -q -f qcow2 "$image" "$2" &&
    if [ "$2" -gt 4194304 ]; then
      qemu-io -c "write -q -P 5 0 1M" -c "write -q -z 1M 2M" -c "write -q -c -P 6 3M 64k" \
        -c "write -q -P 7 4M $(($2 - 4194304))" "$image"
    else qemu-io -c "write -q -P 5 0 $2" "$image"; fi &&
    qemu-img convert -O raw "$image" "$scratch/odd.raw" || bail "cannot make an odd image"
  stale 8M >"$scratch/one"
  attach "$scratch/one" --sector-size "$1"
  run qimport start -q --force "$image" "$disk"
  exits 0 "$2 bytes onto sectors of $1: it ends with 0"
  check "$2 bytes onto sectors of $1: the disk is what qemu-img makes of the image" \
    cmp -n "$2" "$disk" "$scratch/odd.raw"
  sync
  is "$(tail -c +$(($2 + 1)) "$scratch/one" | tr -d '\252' | wc -c)" 0 \
    "$2 bytes onto sectors of $1: what lies beyond is as it was, in the same sector too"
  run qimport audit "$disk"
  exits 0 "$2 bytes onto sectors of $1: audit finds no difference"
}
for sector in 512 4096; do
  odd $sector $(((6 << 20) + 512))
  odd $sector $(((5 << 20) + 4096 + 3584))
  odd $sector 512
done

# T7: a discard is no promise of zeros.
if strace -f true 2>/dev/null; then
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
  small_image
  rm -f "$journal"*
  stale 8M >"$scratch/one"
  attach "$scratch/one"
  strace -f -qq -o "$scratch/trace" -e trace=ioctl,fallocate "$QIMPORT" start -q --force "$image" "$disk" \
    2>"$scratch/err"
  check "zeros are asked for" grep -q 'fallocate(.*PUNCH_HOLE\|fallocate(.*ZERO_RANGE' "$scratch/trace"
  check "and never a discard" sh -c '! grep -qi "discard\|0x1277\|0x127d" "$1"' sh "$scratch/trace"
else
  skip "zeros are asked for, never a discard" "no tracing here"
fi
done_testing
