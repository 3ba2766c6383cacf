#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images as qemu-img convert -c writes them, under several L2 tables, come through a pipe: a small
# cluster of a later table lies in the last sector of one of an earlier table, and waits in the spool.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

packed=$top_srcdir/tests/tools/qcow2-packed.py
disk=$scratch/disk
cd "$scratch" || exit 99
say_seed
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
piped () {
  fresh
  "$QIMPORT" start -q - "$disk" <i >out 2>err
  rc=$?
}

for bits in 9 10 12; do
  for compression in deflate zstd; do
    for order in in random; do
      size=$(((1 << (2 * bits - 3)) * 5))
      [ $size -le 8388608 ] || size=8388608
      python3 "$packed" --cluster-bits $bits --size $size --compression $compression --order $order \
        --seed "$seed" i raw || bail "qcow2-packed fails"
      piped
      what="clusters of $((1 << bits)), $compression, order: $order"
      if [ $rc = 0 ]; then assert_identical "$disk" raw "$what"; else not_ok "$what" "$(cat err)"; fi
    done
  done
done
qemu-img convert -f qcow2 -O raw i raw.theirs
check "qemu-img reads such an image, too" cmp raw raw.theirs

# A later small cluster goes back to one that was begun 3 MiB before.
for bits in 9 10 11; do
  for compression in deflate zstd; do
    python3 "$packed" --cluster-bits $bits --size 8388608 --compression $compression --order in \
      --stretch 3145728 --seed "$bits" i raw || bail "qcow2-packed fails"
    piped
    what="clusters of $((1 << bits)), $compression: in the last sector of one that came long before"
    if [ $rc = 0 ]; then assert_identical "$disk" raw "$what"; else not_ok "$what" "$(cat err)"; fi
  done
done

# What is written out of order by qemu-img itself.
python3 -c '
import random, sys
r = random.Random(int(sys.argv[1]))
out = bytearray()
while len(out) < 12 << 20:
    n = 4096 * r.randrange(1, 5)
    kind = r.randrange(4)
    out += (bytes((r.randrange(1, 256),)) * n, r.randbytes(n), bytes(n), b"some words " * (n // 11))[kind]
open("raw", "wb").write(out[:12 << 20])' "$seed"
for size in 1k 4k 64k; do
  qemu-img convert -q -W -c -O qcow2 -o cluster_size=$size raw i || bail "qemu-img convert"
  piped
  exits 0 "qemu-img convert -W -c, clusters of $size"
  assert_identical "$disk" raw "clusters of $size: the disk is as it must be"
done
done_testing
