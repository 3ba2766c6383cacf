#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is handed over open (fd:N, standard input): pipes, FIFOs, sockets and files; info and map read
# of them no more than the tables need, and leave the rest to who reads next.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

feed=$top_srcdir/tests/tools/feed.py
writer=$top_srcdir/tests/tools/qcow2-writer.py
cd "$scratch" || exit 99
disk=$scratch/disk
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
fed () { run python3 "$feed" "$@"; }

python3 "$writer" --cluster-bits 16 --size 6291456 --mix data=1 --layout tables-first --snapshots 1 i raw
size=$(size_of i)

# ---- imports

for kind in pipe fifo socket tcp file; do
  fresh
  fed $kind i "$QIMPORT" start -q fd:@ "$disk"
  exits 0 "$kind: what is open there is imported"
  assert_identical "$disk" raw "$kind: the disk is as it must be"
done
check "status has its number" [ "$(import_of "$disk" .url | cut -c1-3)" = fd: ]
fresh
fed socket --nonblock i "$QIMPORT" start -q fd:@ "$disk"
exits 0 "a descriptor may be non-blocking"
assert_identical "$disk" raw "and the disk is as it must be"
fresh
run sh -c '"$0" start -q fd:4 "$1" 4<&-' "$QIMPORT" "$disk"
exits 2 "a number of which nothing is open is a mistake"
one_message "in one line"
check "and nothing was made" [ ! -e "$QIMPORT_JOURNAL" -o "$(qimport status --json | jq '.imports | length')" = 0 ]
run qimport start -q fd:x "$disk"
exits 4 "what is no number is a path"

# ---- info and map

qimport map --json i >map.want
qimport info --json i | jq 'del(."actual-size", .filename, .etag)' >info.want
# The last table's last entry that counts; the snapshot's tables come after the disk's.
end=$(python3 - i <<'END'
import struct, sys
image = open(sys.argv[1], "rb").read()
bits, = struct.unpack_from(">I", image, 20)
size, = struct.unpack_from(">Q", image, 24)
n, l1 = struct.unpack_from(">IQ", image, 36)
tables = [t & 0xfffffffffffe00 for t in struct.unpack_from(f">{n}Q", image, l1)]
used = min(size >> bits, 1 << bits - 3)
print(max(tables) + 8 * used, l1 + 8 * n, struct.unpack_from(">Q", image, 64)[0])
END
)
note "of $size bytes: $end"
for kind in pipe socket; do
  fed $kind --stay --left left i "$QIMPORT" map --json fd:@
  exits 0 "$kind: map of what stays open"
  check "$kind: it is that of the file" cmp out map.want
  tail -c "$(size_of left)" i >rest
  check "$kind: what was not read is the end of the image" cmp left rest
  fed $kind --stay i "$QIMPORT" info --json -
  exits 0 "$kind: info of standard input"
  jq 'del(."actual-size", .filename, .etag)' out >got
  assert_identical got info.want "$kind: it is that of the file"
done
# Without snapshots the table is the last thing that is needed.
python3 "$writer" --cluster-bits 16 --size 6291456 --mix data=1 --layout tables-first j raw
end=$(python3 - j <<'END'
import struct, sys
image = open(sys.argv[1], "rb").read()
size, = struct.unpack_from(">Q", image, 24)
n, l1 = struct.unpack_from(">IQ", image, 36)
tables = [t & 0xfffffffffffe00 for t in struct.unpack_from(f">{n}Q", image, l1)]
print(max(max(tables) + 8 * (size >> 16), l1 + 8 * n))
END
)
fed pipe --stay --left left j "$QIMPORT" info -
exits 0 "info of a pipe"
is "$(($(size_of j) - $(size_of left)))" "$end" "reads to the end of the last table, and not a byte more"
fed file j "$QIMPORT" info --json fd:@
exits 0 "info of a file that is open"
is "$(jq '."virtual-size"' out)" 6291456 "tells its size"

# Tables at the end: all of it goes by, and nothing of it stays.
python3 "$writer" --cluster-bits 12 --size 6291456 --mix data=1 --layout tables-last k raw
qimport map --json k >map.want
mkdir tmp
TMPDIR=$scratch/tmp fed pipe --chunk 0 k "$QIMPORT" map --json -
exits 0 "a map whose tables come last"
check "is that of the file" cmp out map.want
is "$(ls -A tmp)" "" "and what went by is gone"
head -c 3000000 k >cut
fed pipe cut "$QIMPORT" map -
exits 5 "a pipe that ends before its tables is a truncated image"
check "which says where" grep -q 'ends after 3000000 bytes, and a table lies at' err

# A server without ranges is read forward.
mkdir www
cp j www/j.qcow2
serve_start "$scratch/nginx" "$scratch/www" || bail "nginx does not start"
run qimport map --json "$serve_url/plain/j.qcow2"
exits 0 "map of a server without ranges"
qimport map --json j >map.want
check "is that of the file" cmp out map.want
done_testing
