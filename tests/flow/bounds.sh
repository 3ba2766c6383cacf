#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an image or a server claims sizes neither the journal nor what is fetched (J7): a file that is
# said to be endless, clusters that many share, and a map in many pieces.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
disk=$scratch/disk
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
journal_mib () { du -cm "$QIMPORT_JOURNAL"* | tail -n 1 | cut -f 1; }

# ---- the length of the file, where all of it is to be hashed

qemu-img create -q -f qcow2 long.qcow2 16M
qemu-io -f qcow2 -c 'write -P 7 0 4M' long.qcow2 >/dev/null
qemu-img convert -q -O raw long.qcow2 long.raw
truncate -s 8T long.qcow2 || skip_all "the file system holds no file of 8 TiB"
sum=$(printf '%064d' 0)
run timeout -k 1 30 "$QIMPORT" start -q --sha256 "$sum" long.qcow2 "$disk"
exits 5 "a file of 8 TiB for a disk of 16 MiB is not hashed"
one_message "with one line"
mib=$(journal_mib)
check "the journal did not grow ($mib MiB)" [ "$mib" -le 1 ]
fresh
run timeout -k 1 30 "$QIMPORT" start -q long.qcow2 "$disk"
exits 0 "without --sha256 it is imported"
assert_identical "$disk" long.raw "as qemu-img reads it"
rm long.qcow2
qemu-img convert -q -O qcow2 long.raw long.qcow2
truncate -s 200M long.qcow2
fresh
run qimport start -q --sha256 "$(sha256sum long.qcow2 | cut -d' ' -f1)" long.qcow2 "$disk"
exits 0 "one that is only longer than it needs to be is hashed"

# ---- clusters that many share

# share IMAGE: every cluster of it is the first one
share () {
  python3 - "$1" <<'END'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    bits = struct.unpack(">I", f.read(24)[20:24])[0]
    f.seek(36)
    n, l1 = struct.unpack(">IQ", f.read(12))
    f.seek(l1)
    tables = [e & 0x00fffffffffffe00 for e in struct.unpack(f">{n}Q", f.read(8 * n))]
    per = (1 << bits) // 8
    f.seek(tables[0])
    first = struct.unpack(">Q", f.read(8))[0] & 0x00fffffffffffe00
    for at in tables:
        f.seek(at)
        entries = struct.unpack(f">{per}Q", f.read(8 * per))
        f.seek(at)
        f.write(struct.pack(f">{per}Q", *[first if e else 0 for e in entries]))
END
}
qemu-img create -q -f qcow2 -o preallocation=metadata shared.qcow2 64M
qemu-io -f qcow2 -c 'write -P 9 0 64k' shared.qcow2 >/dev/null
share shared.qcow2
qemu-img convert -q -O raw shared.qcow2 shared.raw
fresh
run qimport start -q shared.qcow2 "$disk"
exits 0 "a disk of 64 MiB in one cluster is imported"
assert_identical "$disk" shared.raw "as qemu-img reads it"
fetched=$(import_of "$disk" .bytes.fetched)
check "what nothing needs is not fetched ($fetched bytes)" [ "$fetched" -lt 1000000 ]
qemu-img create -q -f qcow2 -o preallocation=metadata,cluster_size=512 pieces.qcow2 64M
share pieces.qcow2
before=$(journal_mib)
fresh
run qimport start -q pieces.qcow2 "$disk"
exits 0 "so is one in a single small cluster"
grown=$((($(journal_mib) - before) * 1048576))
check "its journal is of the size of its tables: $grown bytes for $((65536 * 2 * 8))" \
  [ $grown -le $((5 * 65536 * 2 * 8 + 2097152)) ]
done_testing
