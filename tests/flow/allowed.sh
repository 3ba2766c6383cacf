#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the specification allows is read, and as qemu-img reads it: sizes of compressed clusters that
# are too large, flags without a table, a snapshot that nobody wants and that is damaged.  What is
# refused on purpose is refused in words.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

disk=$scratch/disk want=$scratch/want
cd "$scratch" || exit 99
# patch FILE OUT PYTHON: of the bytes d; at (OFFSET) and put (OFFSET, NUMBER) are of 8 bytes
patch () {
  python3 - "$@" <<'END' || bail "$2"
import struct, sys
d = bytearray (open (sys.argv[1], "rb").read ())
def at (o): return struct.unpack_from (">Q", d, o)[0]
def put (o, v): struct.pack_into (">Q", d, o, v)
l1 = at (40)
l2 = at (l1) & 0x00fffffffffffe00
exec (sys.argv[3])
open (sys.argv[2], "wb").write (d)
END
}
# reads FILE SENTENCE: from the file and from a pipe, as qemu-img
reads () {
  qemu-img convert -q -f qcow2 -O raw "$1" "$want" 2>/dev/null || bail "qemu-img does not read $1"
  run "$QIMPORT" start -q --force "$1" "$disk"
  exits 0 "$2"
  assert_identical "$disk" "$want" "  as qemu-img reads it"
  qimport forget "$disk" 2>/dev/null
}
# refused FILE PATTERN SENTENCE [OPTION...]: from the file and from a pipe
refused () {
  file=$1 pattern=$2 what=$3
  shift 3
  for from in "$file" -; do
    "$QIMPORT" start -q --force "$@" "$from" "$disk" <"$file" >"$scratch/out" 2>"$scratch/err"
    rc=$?
    exits 5 "$what is refused$([ "$from" = - ] && echo ', from a pipe too')"
    grep -q -- "$pattern" "$scratch/err" && ok "  in words" || not_ok "  in words" "$(cat "$scratch/err")"
    one_message "  on one line"
  done
}

head -c 3M /dev/zero | tr '\0' x >guest
head -c 64k /dev/urandom | dd of=guest conv=notrunc status=none
truncate -s 4M guest
qemu-img convert -q -c -f raw -O qcow2 guest packed.qcow2
# the last compressed cluster: 100 sectors more than it has, far behind the end of the file
patch packed.qcow2 over.qcow2 '
last = max (range (48), key = lambda i: at (l2 + 8 * i) & (1 << 54) - 1)
put (l2 + 8 * last, at (l2 + 8 * last) + (100 << 54))'
reads over.qcow2 "a compressed cluster whose size reaches over the end of the file"
patch packed.qcow2 gone.qcow2 'put (l2 + 8, at (l2 + 8) & ~((1 << 54) - 1) | len (d))'
run "$QIMPORT" start -q --force gone.qcow2 "$disk"
exits 5 "one that begins there is refused"
patch packed.qcow2 flag.qcow2 'put (l1, 1 << 63)'
reads flag.qcow2 "an L1 entry with its flag, and no table"

qemu-img convert -q -f raw -O qcow2 guest plain.qcow2
qemu-img snapshot -c old plain.qcow2
qemu-img snapshot -c new plain.qcow2
patch plain.qcow2 snapshot.qcow2 'put (at (64), 0x12345)'
reads snapshot.qcow2 "a snapshot whose L1 table is nowhere, where the active disk is wanted"
run "$QIMPORT" start -q --force --snapshot new snapshot.qcow2 "$disk"
exits 0 "  and another snapshot"
run "$QIMPORT" info snapshot.qcow2
exits 0 "  info lists it"
refused snapshot.qcow2 "L1 table offset of a snapshot" "that snapshot itself" --snapshot old
qemu-img create -q -f qcow2 -o cluster_size=512 shared.qcow2 1M
qemu-io -f qcow2 -c 'write -P 1 0 64k' shared.qcow2 >/dev/null || bail qemu-io
patch shared.qcow2 twice.qcow2 'put (l1 + 8, at (l1))'
refused twice.qcow2 "one and the same L2 table" "an L2 table of two L1 entries"

# ---- a disk that looks like an image

cp plain.qcow2 written
truncate -s 4M written
run "$QIMPORT" start --progress none --force --format raw written "$disk"
exits 0 "a disk on which a qcow2 image is written"
check "  is told of" grep -q "format=raw" "$scratch/err"
check "  once" [ "$(grep -c "format=raw" "$scratch/err")" = 1 ]
qemu-img convert -q -f raw -O qcow2 written inner.qcow2
run "$QIMPORT" start --progress none --force inner.qcow2 "$disk"
exits 0 "and so is the disk of a guest that wrote one there"
check "  once" [ "$(grep -c "format=raw" "$scratch/err")" = 1 ]
assert_identical "$disk" written "  which stays as it is"
run "$QIMPORT" start --progress none --force --keep-format plain.qcow2 "$scratch/kept.qcow2"
check "an image that is kept as one is not" [ "$rc:$(grep -c "format=raw" "$scratch/err")" = 0:0 ]
done_testing
