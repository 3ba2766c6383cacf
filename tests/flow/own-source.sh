#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A target that is one of its sources, or lies on one, by whatever name: refused before anything is
# written, also with --force.  What only lies beside a source on the same disk is no matter.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
loops=
trap 'for l in $loops; do losetup -d "$l" 2>/dev/null; done; finish' EXIT

qemu-img create -q -f qcow2 base.qcow2 3M
qemu-io -f qcow2 -c 'write -P 1 0 2M' base.qcow2 >/dev/null
qemu-img convert -q -O raw base.qcow2 base.raw
qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 over.qcow2
qemu-io -f qcow2 -c 'write -P 2 1M 64k' over.qcow2 >/dev/null
qemu-img create -q -f qcow2 -F raw -b base.raw onto.qcow2
qemu-io -f qcow2 -c 'write -P 3 1M 64k' onto.qcow2 >/dev/null
qemu-img convert -q -O raw over.qcow2 over.raw
mkdir kept sub
cp -- *.qcow2 base.raw kept/
ln base.qcow2 hard.qcow2
ln -s base.qcow2 soft.qcow2
ln base.raw hard.raw

unhurt () {
  for f in kept/*; do cmp -s "$f" "${f#kept/}" || return 1; done
  [ "$(qimport status --json | jq '.imports | length')" = 0 ]
}
refused () { # SENTENCE ARGUMENTS OF start...
  what=$1
  shift
  run qimport start -q --force "$@"
  exits 6 "$what"
  one_message "with one line"
  check "and nothing was touched" unhurt
}

refused "the image itself" base.qcow2 base.qcow2
refused "a hard link to it" base.qcow2 hard.qcow2
refused "what a symbolic link as source leads to" soft.qcow2 base.qcow2
refused "as a file: URL, escaped" "file://$scratch/%62ase.qcow2" base.qcow2
"$QIMPORT" start -q --force - hard.qcow2 <base.qcow2 2>err
is $? 6 "standard input that is the target is refused"
check "and nothing was touched" unhurt
refused "the backing file" --backing base.qcow2 over.qcow2 base.qcow2
refused "a hard link to the backing file" --backing base.qcow2 over.qcow2 hard.qcow2
refused "the backing file by its URL" --backing "file://$scratch/sub/../base.qcow2" over.qcow2 base.qcow2
refused "a mirror that is a file" --mirror "file://$scratch/hard.qcow2" http://127.0.0.1:1/i base.qcow2
refused "a raw backing file that would be written in place" --unallocated keep --backing base.raw onto.qcow2 hard.raw
ln base.qcow2 new.raw.qimport-part
refused "the backing file that has the name of the part file" --backing base.qcow2 over.qcow2 new.raw
check "is still there" [ new.raw.qimport-part -ef base.qcow2 ]
refused "the image that has the name of the part file" new.raw.qimport-part new.raw
rm new.raw.qimport-part

# ---- an interrupted import whose image has "moved" to where it is written

"$QIMPORT" start -q --limit-rate 1M --commit-interval 0.1 base.qcow2 moved 2>/dev/null &
background
for _ in $(seq 100); do
  [ "$(import_of moved .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.05
done
kill -9 $!
wait $! 2>/dev/null
check "an import is interrupted" [ -e moved.qimport-part ]
run qimport resume -q --restart --force --url moved.qimport-part moved
exits 6 "the part file is no image to go on from"
one_message "with one line"
qimport resume -q --limit-rate 0 moved && cmp moved base.raw
is $? 0 "and it goes on with its own"
qimport forget moved

# ---- devices

finish_here () { done_testing; exit; }
[ "$(id -u)" = 0 ] || { skip "devices" "needs root"; finish_here; }
attach () { device=$(losetup -f --show "$@" 2>/dev/null) || return 1; loops="$device $loops"; }
truncate -s %1M base.qcow2 over.qcow2 onto.qcow2
cp -- *.qcow2 kept/
attach base.qcow2 || { skip "devices" "no loop device is free"; finish_here; }
image=$device
refused "a device over the image" base.qcow2 "$image"
refused "the image under the device" "$image" base.qcow2
refused "a device over the backing file" --backing base.qcow2 over.qcow2 "$image"
attach hard.qcow2
refused "two devices over one file" "$image" "$device"
attach "$image"
refused "a device over a device over the backing file" --backing base.qcow2 over.qcow2 "$device"
ln -s "$image" link
refused "a symbolic link to the device" base.qcow2 link

truncate -s 16M disk
printf 'label: dos\n2048 8192\n10240 8192\n' | sfdisk -q disk 2>/dev/null
if command -v sfdisk >/dev/null && attach -P disk && whole=$device && [ -b "${whole}p2" ]; then
  dd if=over.qcow2 of="${whole}p1" conv=notrunc status=none
  sync
  cp disk kept/
  refused "the disk of a partition that is the backing file's" --backing base.qcow2 "${whole}p1" "$whole"
  refused "the image on a partition of what is written" "${whole}p1" disk
  refused "a disk whose partition would be written" "$whole" "${whole}p1"
  attach disk
  refused "another device over the disk of that partition" "${whole}p1" "$device"
  rm kept/disk
  run qimport start -q --force --backing base.qcow2 "${whole}p1" "${whole}p2"
  exits 0 "the partition beside it is another disk"
  check "and is written" cmp -n 3145728 "${whole}p2" over.raw
else
  skip "partitions" "no partitions on loop devices here"
fi
done_testing
