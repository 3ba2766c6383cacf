#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Twins: another image of the same length, behind validators that prove nothing, or served by a
# mirror.  What is alike at its ends and in its header is told apart by its tables and its data.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 6
disk=$scratch/disk
liar
cp "$image" "$scratch/first"
become () { cp "$scratch/$1" "$image"; }

# ---- C11: tables, where validators prove nothing

# Two entries of the L2 table are exchanged: the same length, header, L1 table and data.
python3 - "$scratch/first" "$scratch/exchanged" <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
l1_at = struct.unpack_from(">Q", data, 40)[0]
l2_at = struct.unpack_from(">Q", data, l1_at)[0] & ((1 << 56) - 512)
used = [i for i in range(8192) if struct.unpack_from(">Q", data, l2_at + 8 * i)[0]]
for i, j in [used[24:26]]:
    a, b = l2_at + 8 * i, l2_at + 8 * j
    data[a:a + 8], data[b:b + 8] = data[b:b + 8], data[a:a + 8]
open(sys.argv[2], "wb").write(data)
END
# (A server that compares weak tags in If-Range, where they must not be sent.)
for lies in etag,weak+if-range-ignored etag,none+modified,now etag,none+modified,none; do
  begin_lies=$lies+
  begin
  become exchanged
  lie "$lies"
  run qimport resume "$disk"
  exits 4 "C11: two clusters exchanged, $lies: 4"
  says 'tables are not those' "  it says so"
  untouched "  journal and part file are as they were"
  become first
  lie "$lies"
  run qimport resume "$disk"
  exits 0 "  the right image ends it"
  assert_identical "$disk" "$expected" "  every byte is right"
done
begin_lies=
# a tag that only became weak is no change; but it proves nothing
begin_lies='etag,"weak"+'
begin
lie 'etag,weak'
become exchanged
run qimport resume "$disk"
exits 4 "C11: a strong tag that became weak, and two clusters exchanged: 4"
untouched "  journal and part file are as they were"
become first
run qimport resume "$disk"
exits 0 "C11: a strong tag that became weak, the same image: goes on"
assert_identical "$disk" "$expected" "  every byte is right"
begin_lies=

# ---- C14: mirrors

lie
first=$url first_requests=$requests first_control=$control
liar
second=$url second_requests=$requests second_control=$control
body () { jq -s '[.[].sent] | add // 0' "$1"; }
# with_mirror WHAT FIRST_LIE SECOND_LIE [OPTION...]
with_mirror () {
  afresh
  echo "$2" >"$first_control"
  echo "$3" >"$second_control"
  : >"$first_requests"
  : >"$second_requests"
  what=$1
  shift 3
  run qimport start --retry-time 10 --mirror "$second" "$@" "$first" "$disk"
  exits 0 "a mirror $what"
  assert_identical "$disk" "$expected" "  every byte is right"
}
# Another build: the same length, and the same first and last 64 KiB.
python3 - "$image" "$scratch/tables" "$scratch/other" <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
l1_at = struct.unpack_from(">Q", data, 40)[0]
l2_at = struct.unpack_from(">Q", data, l1_at)[0] & ((1 << 56) - 512)
assert l2_at >= 65536 and len(data) > 5 << 20
used = [i for i in range(8192) if struct.unpack_from(">Q", data, l2_at + 8 * i)[0]]
other = bytearray(data)
for i, j in zip(used[::2], used[1::2]):
    a, b = l2_at + 8 * i, l2_at + 8 * j
    other[a:a + 8], other[b:b + 8] = other[b:b + 8], other[a:a + 8]
open(sys.argv[2], "wb").write(other)
other = bytearray(data)
for i in range(3 << 20, 4 << 20):
    other[i] ^= 0x55
open(sys.argv[3], "wb").write(other)
END
served=$image
for build in tables other; do
  image=$scratch/$build
  liar
  twin=$url twin_requests=$requests
  second=$twin with_mirror "of another build, C14: $build" slow,300000 ''
  check "  is asked for what must be the same only ($(body "$twin_requests") bytes)" \
    [ "$(body "$twin_requests")" -le 1000000 ]
  check "  the log says why" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*not used: its bytes differ"' - "$disk"
done
image=$served
done_testing
