#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The end of what comes once is the disk's, not the pipe's: who sends may keep it open and wait for
# our answer. What is said where it ends too early is final where it can be, names what is missing,
# and what is told meanwhile is true.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

feed=$top_srcdir/tests/tools/feed.py
writer=$top_srcdir/tests/tools/qcow2-writer.py
mkdir "$scratch/target"
disk=$scratch/target/disk
cd "$scratch" || exit 99
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
fed () { run python3 "$feed" "$@"; }
made () { python3 "$writer" "$@" i raw || bail "the writer fails: $*"; }

# ---- it stays open

made --cluster-bits 16 --size 4194304 --layout tables-first
for kind in pipe fifo socket tcp; do
  fresh
  fed $kind --stay i "$QIMPORT" start -q - "$disk"
  exits 0 "$kind: an image is imported though it stays open behind it"
  assert_identical "$disk" raw "$kind: the disk is as it must be"
done
is "$(qimport status "$disk" --json | jq -c '[.state, .image.length, .image.sha256]')" \
  '["complete",null,null]' "that the image's length and digest are not known is said"
check "and the log says why" sh -c '"$QIMPORT" log "$1" | grep -q "whole after $2 bytes"' - "$disk" \
  "$(size_of i)"

for kind in '--layout tables-last' '--layout interleaved --compression zstd' \
  '--layout l1-last --mix data=1,compressed=4' '--snapshots 2 --layout tables-last'; do
  # shellcheck disable=SC2086
  made --cluster-bits 9 --size 65536 $kind
  for chunk in 1 0; do
    fresh
    fed socket --stay --chunk $chunk i "$QIMPORT" start -q - "$disk"
    [ $rc = 0 ] && cmp -s "$disk" raw || break
  done
  exits 0 "so is a small one, in pieces of any length: $kind"
done

# A compressed cluster is the last thing in the file, which ends within its last sector.
qemu-img create -q -f qcow2 -o cluster_size=4k plain.qcow2 64k
qemu-img convert -q -O qcow2 -c -o cluster_size=4k plain.qcow2 i
python3 - <<'END'
import struct, zlib
image = bytearray(open("i", "rb").read())
n, l1 = struct.unpack_from(">IQ", image, 36)
image += bytes(-len(image) % 4096)
table = len(image)
deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
data = deflate.compress(bytes(range(256)) * 16) + deflate.flush()
image += bytes(4096)
at = len(image) + 100
image += bytes(100) + data
struct.pack_into(">Q", image, l1, table | 1 << 63)
shift = 62 - (12 - 8)
sectors = (at + len(data) - 1) // 512 - at // 512
struct.pack_into(">Q", image, table, 1 << 62 | sectors << shift | at)
open("i", "wb").write(image)
END
qemu-img convert -O raw i raw
fresh
fed pipe --stay --chunk 7 i "$QIMPORT" start -q - "$disk"
exits 0 "one whose last cluster ends within a sector is not waited for"
assert_identical "$disk" raw "and the disk is as it must be"

fresh
{ cat i; cat /dev/zero 2>/dev/null; } | "$QIMPORT" start -q - "$disk" 2>err
rc=$?
exits 0 "what follows without end is not waited for"
assert_identical "$disk" raw "and the disk is as it must be"

xz -k -c i >i.xz
fresh
fed socket --stay i.xz "$QIMPORT" start -q - "$disk"
exits 0 "a wrapped one ends as well"
assert_identical "$disk" raw "with the disk as it must be"

# ---- its length is given

made --cluster-bits 16 --size 4194304 --layout tables-first
size=$(size_of i)
sum=$(sha256sum <i | cut -d' ' -f1)
echo "the next request" >next
cat i next >both
for kind in pipe socket; do
  fresh
  fed $kind --stay --left left both "$QIMPORT" start -q --length "$size" - "$disk"
  exits 0 "$kind: --length says where the image ends"
  check "$kind: what follows it is left unread" cmp left next
done
is "$(qimport status "$disk" --json | jq -c '[.image.length, .image.sha256]')" "[$size,\"$sum\"]" \
  "then its length and digest are known"
fresh
fed socket --stay both "$QIMPORT" start -q --length "$size" --sha256 "$(printf %064d 1)" - "$disk"
exits 4 "and a wrong checksum is one"
fresh
fed socket --stay i "$QIMPORT" start -q --sha256 "$sum" - "$disk"
exits 0 "without it a checksum that fits what came is the image's"
fresh
fed socket --stay i "$QIMPORT" start -q --sha256 "$(printf %064d 1)" - "$disk"
exits 3 "one that does not fit is no success, and more may come"
one_message "in one line"
check "which names --length" grep -q -- '--length' err
fresh
run qimport start -q --length 5 i "$disk"
exits 2 "what tells its length itself takes none"

# ---- it ends too early

qemu-img create -q -f qcow2 far.qcow2 64M
qemu-io -f qcow2 -c 'write -P 1 0 512k' far.qcow2 >/dev/null
python3 - <<'END'
import struct
image = bytearray(open("far.qcow2", "rb").read())
n, l1 = struct.unpack_from(">IQ", image, 36)
table = struct.unpack_from(">Q", image, l1)[0] & 0xfffffffffffe00
struct.pack_into(">Q", image, table + 8 * 100, 1 << 63 | 1 << 40)
open("far.qcow2", "wb").write(image)
END
fresh
fed socket --stay far.qcow2 "$QIMPORT" start -q --length "$(size_of far.qcow2)" - "$disk"
exits 5 "an entry at 1 TiB is refused at once where the length is known"
check "and nothing is left" [ -z "$(ls target)" ]
fresh
fed pipe far.qcow2 "$QIMPORT" start -q - "$disk"
exits 3 "where it is not, more may come"
check "the message says how much is missing" grep -q '10995[0-9]* bytes are missing' err
fed pipe far.qcow2 "$QIMPORT" resume -q "$disk"
exits 5 "but not when it ends at the same byte again"
check "which is said" grep -q 'second time, and 10995[0-9]* bytes are missing' err

made --cluster-bits 16 --size 4194304 --mix data=1 --layout tables-first
size=$(size_of i)
head -c $((size - 100000)) i >cut
fresh
fed socket cut "$QIMPORT" start -q - "$disk"
exits 3 "an image that is cut"
check "misses so many bytes" grep -q '100000 bytes are missing' err
head -c $((size - 200000)) i >shorter
fed socket shorter "$QIMPORT" resume -q "$disk"
exits 3 "one that is cut elsewhere may have broken again"
fed socket shorter "$QIMPORT" resume -q "$disk"
exits 5 "twice at the same byte is the image"
check "and that is told" grep -q '200000 bytes are missing' err
fed socket i "$QIMPORT" resume -q "$disk"
exits 0 "all of it ends the import even then"
assert_identical "$disk" raw "and the disk is as it must be"
fresh
for _ in 1 2; do
  how='resume -q'
  [ "$(qimport status --json | jq '.imports | length')" != 0 ] || how="start -q --length $size -"
  # shellcheck disable=SC2086
  fed socket cut "$QIMPORT" $how "$disk"
  exits 3 "with a length that did not come, $how may go on"
  check "and says what is missing" grep -q "ended after $((size - 100000)) of $size bytes, 100000 are missing" err
done
fed socket i "$QIMPORT" resume -q "$disk"
exits 0 "which it does"
fresh
fed tcp --reset cut "$QIMPORT" start -q - "$disk"
exits 3 "a connection that is reset is an end as any other"
fed tcp i "$QIMPORT" resume -q "$disk"
exits 0 "and is gone on with"

# ---- refused before the first byte of data

head -c 393216 i >head
fresh
fed socket --stay head "$QIMPORT" start -q --max-size 1M - "$disk"
exits 5 "a disk that is too large is refused as soon as its header is here"
check "and nothing is made" [ -z "$(ls target)" ]
if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null; then
  head -c 2097152 /dev/urandom >small
  cp small before
  loop=$(losetup -f --show small) || bail "losetup"
  fed socket --stay head "$QIMPORT" start -q --force - "$loop"
  status=$rc
  losetup -d "$loop"
  is "$status" 6 "a device that is too small as well"
  check "and nothing was written to it" cmp small before
else
  skip "a device that is too small" "it needs root and losetup"
fi

# ---- what is told meanwhile

made --cluster-bits 16 --size 16777216 --mix data=1,hole=1 --layout tables-first
data=$(qimport info --json i | jq '."data-bytes"')
size=$(size_of i)
head -c $((size * 6 / 10)) i >cut
fresh
python3 "$feed" pipe --stay --rate 3000000 cut "$QIMPORT" start --progress json --commit-interval 0.1 - "$disk" \
  >progress 2>&1 &
background
for _ in $(seq 300); do
  qimport status "$disk" --json >now 2>/dev/null &&
    jq -e '.bytes.guest_committed >= '$((data / 3)) now >/dev/null && break
  sleep 0.1
done
jq -c '[.bytes, .percent]' now | sed 's/^/# /'
is "$(jq .bytes.data_total now)" "$data" "a stream's total is known with its tables"
is "$(jq .bytes.guest_total now)" 16777216 "that of the disk too"
check "what is committed is some of it" jq -e '.percent > 20 and .percent < 61' now
check "what came is counted" jq -e '.bytes.fetched > '$((data / 3)) now
pid=$(jq -r '.holder.pid // empty' now)
[ -n "$pid" ] || pid=$(qimport status "$disk" | sed -n 's/.*pid \([0-9]*\) .*/\1/p')
kill -TERM "$pid"
wait $! 2>/dev/null
check "and so says the message" grep -q 'of [0-9.]* MiB are safe' progress
check "progress knows the same total" [ "$(grep '^{' progress | tail -n 1 | jq .bytes.data_total)" = "$data" ]
check "and how long it takes" sh -c 'grep "^{" progress | jq -se "map (.eta_seconds | numbers) | length > 0" >/dev/null'
is "$(qimport status "$disk" --json | jq -c '[.state, .percent < 61, .percent > 20]')" \
  '["interrupted",true,true]' "afterwards status has it still"
done_testing
