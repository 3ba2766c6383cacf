#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# resume --restart begins anew with another image, but forgets nothing before that image is known
# to be there; and what a device was promised to be holds no longer.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
size=33554432
head -c $size /dev/urandom >old.raw
qemu-img convert -q -O qcow2 old.raw old.qcow2
truncate -s $size new.raw
qemu-io -f raw -c 'write -P 7 5M 64k' -c 'write -P 9 20M 8M' new.raw >/dev/null
qemu-img convert -q -O qcow2 new.raw new.qcow2
head -c 16777216 old.raw >half.raw
qemu-img convert -q -O qcow2 half.raw half.qcow2
disk=$scratch/disk

committed () { import_of "$1" .bytes.guest_committed 2>/dev/null || echo 0; }
# begun TARGET OPTION...: old.qcow2, as image.qcow2, killed when some of it is committed
begun () {
  target=$1
  cp old.qcow2 image.qcow2
  "$QIMPORT" start -q --limit-rate 4M --commit-interval 0.2 "$scratch/image.qcow2" "$@" 2>"$scratch/err" &
  pid=$!
  background
  for _ in $(seq 100); do
    [ "$(committed "$target")" -gt 4000000 ] 2>/dev/null && break
    sleep 0.1
  done
  kill -9 $pid
  wait $pid 2>/dev/null
}
again () { qimport forget "$1" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }

begun "$disk"
before=$(committed "$disk")
check "some of the old image is committed" [ "$before" -gt 0 ]
mv image.qcow2 away
run qimport resume -q --restart "$disk"
exits 4 "--restart of an image that is not there is refused"
is "$(committed "$disk")" "$before" "and forgets nothing"
cp half.qcow2 image.qcow2
run qimport resume -q --restart "$disk"
exits 4 "so is one of a disk of another size"
check "which says how to get out" grep -q 'qimport forget' "$scratch/err"
is "$(committed "$disk")" "$before" "and forgets nothing either"
cp new.qcow2 image.qcow2
run qimport resume -q "$disk"
exits 4 "another image is not taken for the old one"
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 0 "but with --restart it is imported"
assert_identical "$disk" new.raw "without a byte of the old one"

again "$disk"
begun "$disk"
rm "$disk.qimport-part"
run qimport resume -q "$disk"
exits 6 "a part file that is gone is told"
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 0 "and made anew by --restart"
assert_identical "$disk" old.raw "whole"

again "$disk"
begun "$disk"
echo mine >"$disk"
run qimport resume -q --limit-rate 0 "$disk"
exits 6 "a file that appeared meanwhile is not replaced in the end"
run qimport resume -q --limit-rate 0 --force "$disk"
exits 0 "but with --force, as the message says"
assert_identical "$disk" old.raw "whole"

again "$disk"
begun "$disk"
before=$(committed "$disk")
echo mine >"$disk"
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 6 "a file that appeared meanwhile is left alone by --restart"
is "$(cat "$disk")" mine "as it is"
is "$(committed "$disk")" "$before" "and nothing is forgotten"
run qimport resume -q --limit-rate 0 --restart --force "$disk"
exits 0 "but replaced with --force"
assert_identical "$disk" old.raw "in the end"

again "$disk"
image deflate 64K
serve
"$QIMPORT" start -q --limit-rate 1M --max-time 2 "$url" "$disk" 2>"$scratch/err"
run qimport resume -q --url "${url%/*}/plain/${image##*/}" "$disk"
exits 4 "a server that lost its ranges and its ETag is not taken for the same"
run qimport resume -q --limit-rate 0 --restart --url "${url%/*}/plain/${image##*/}" "$disk"
exits 0 "and --restart reads it forward"
assert_identical "$disk" "$expected" "identical"

if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null; then
  truncate -s $size back.raw
  device=$(losetup -f --show back.raw) || bail "no loop device"
  trap 'losetup -d "$device"; finish' EXIT
  begun "$device" --target-is-zero
  cp new.qcow2 image.qcow2
  "$QIMPORT" resume -q --restart --max-time 2 --limit-rate 1M "$device" 2>"$scratch/err"
  rc=$?
  exits 3 "a device that was zero begins anew, and is interrupted again"
  is "$(sqlite3 "$QIMPORT_JOURNAL" "SELECT instr (options, 'target-is-zero') FROM import
    WHERE target = '$device'")" 0 "the promise is not remembered"
  run qimport resume -q --limit-rate 0 "$device"
  exits 0 "and goes on"
  assert_identical "$device" new.raw "zeros are written, whatever was promised"
else
  skip "a device that was zero begins anew" "needs root and loop devices"
fi

# ---- a delta onto what a target holds: what stood under it is gone

again "$disk"
cp old.raw "$disk"
begun "$disk" --unallocated keep
cp "$disk" before
run qimport resume -q --limit-rate 4M --max-time 1 --restart "$disk"
exits 3 "a delta is begun anew from the same image"
cp "$disk" before
cp new.qcow2 image.qcow2
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 6 "from another image it would lie on the old one's: it is refused"
check "which says how to get out" grep -q 'put back what it held' "$scratch/err"
assert_identical "$disk" before "and nothing is written"
done_testing
