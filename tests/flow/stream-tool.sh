#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# qcow-stream-tool takes the place of the program of that name: a daemon hands it the socket of an
# HTTP client and waits for its end, many times, and nothing is left behind. What the other got
# wrong is right.  QIMPORT_TEST_LONG: 1000 connections, one after another.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

unset QIMPORT_JOURNAL
tool=$top_builddir/.libs/qcow-stream-tool
[ -x "$tool" ] || tool=$top_builddir/qcow-stream-tool
[ -x "$tool" ] || bail "there is no qcow-stream-tool"
feed=$top_srcdir/tests/tools/feed.py
writer=$top_srcdir/tests/tools/qcow2-writer.py
mkdir "$scratch/tmp" "$scratch/target"
TMPDIR=$scratch/tmp
export TMPDIR
disk=$scratch/target/disk
cd "$scratch" || exit 99
fed () { run python3 "$feed" "$@"; }

# ---- a daemon

python3 "$writer" --cluster-bits 16 --size 1048576 --layout tables-first i raw
n=30 jobs=6
[ -z "${QIMPORT_TEST_LONG:-}" ] || n=1000 jobs=1
why=$(python3 "$top_srcdir/tests/tools/daemon.py" "$tool" i raw "$scratch/target" $n $jobs)
if [ -z "$why" ]; then
  ok "$n clients that wait for their answer get it, and nothing of them stays"
else
  not_ok "$n clients that wait for their answer get it, and nothing of them stays" "$why"
fi
is "$(ls -A tmp)" "" "no journal either"

# ---- what it says

fed socket --stay i "$tool" stream_decode --progress "$disk"
exits 0 "--progress"
check "tells it as whole percents, to the end" [ "$(tail -n 1 out)" = "Progress: 100" ]
check "and nothing else" [ -z "$(grep -v '^Progress: [0-9]*$' out)" -a ! -s err ]
fed socket --stay --left left i "$tool" read_headers
exits 0 "read_headers of standard input"
jq -c . out >got
run "$tool" read_headers i
exits 0 "and of a path"
jq -c . out >want
assert_identical got want "say the same"
is "$(jq -c '[.virtual_size, .cluster_bits]' got)" '[1048576,16]' "the size, and that of a cluster"
qimport map --json i | jq -c '[.[] | select(.data) | [.start / 65536, (.start + .length) / 65536 - 1]] |
  reduce .[] as $e ([]; if length > 0 and .[-1][1] + 1 == $e[0] then .[-1][1] = $e[1] else . + [$e] end)' >want
is "$(jq -c .data_clusters got)" "$(cat want)" "and from which cluster to which there is data"
head -c 200000 i >cut
fed socket cut "$tool" stream_decode "$disk"
exits 3 "an image that is cut is no success"
check "one line says why, and of no resume" sh -c \
  '[ "$(wc -l <err)" = 1 ] && grep -q "^qcow-stream-tool: .*missing" err && ! grep -q resume err'
for wrong in '' nonsense stream_decode 'stream_decode a b' 'stream_decode --nonsense a'; do
  # shellcheck disable=SC2086
  run "$tool" $wrong
  exits 2 "usage: '$wrong'"
done

# ---- what the other got wrong

decoded () { # SENTENCE IMAGE
  rm -f "$disk"
  fed pipe --stay "$2" "$tool" stream_decode "$disk"
  [ $rc = 0 ] || { not_ok "$1" "exit status $rc" "$(cat err)"; return; }
  check "$1" cmp "$disk" raw
}
python3 "$writer" --cluster-bits 9 --size 4194304 --mix data=1,hole=2 --layout tables-first i raw
decoded "an L1 table of several clusters" i
for kind in deflate zstd; do
  python3 "$writer" --cluster-bits 16 --size 2097152 --mix compressed=3,data=1 --compression $kind i raw
  decoded "clusters that are compressed: $kind" i
done
for layout in tables-last interleaved l2-reversed l1-last; do
  python3 "$writer" --cluster-bits 12 --size 2097152 --layout $layout i raw
  decoded "tables anywhere: $layout" i
done
python3 "$writer" --cluster-bits 16 --size 1000448 --layout tables-first i raw
decoded "a disk that ends within a cluster" i
qemu-img create -q -f qcow2 -b raw -F raw delta.qcow2
fed pipe delta.qcow2 "$tool" stream_decode "$disk.2"
exits 5 "a backing file is refused, not left out"
check "and no disk is there" [ ! -e "$disk.2" ]
head -c 3000000 /dev/urandom >"$disk"
fed pipe --stay i "$tool" stream_decode "$disk"
exits 0 "over a file that is longer than the disk"
check "the disk alone is left" cmp "$disk" raw

if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null; then
  python3 "$writer" --cluster-bits 16 --size 2097152 --mix data=1,hole=1,zero=1 --layout tables-first i raw
  tr '\0' '\377' </dev/zero | head -c 4194304 >file
  loop=$(losetup -f --show file) || bail "losetup"
  trap 'losetup -d "$loop"; finish' EXIT
  fed socket --stay i "$tool" stream_decode "$loop"
  exits 0 "onto a device that holds other bytes"
  check "what the image does not have reads as zeros there" cmp -n 2097152 "$loop" raw
  cmp -s -i 2097152 -n 2097152 file /dev/zero
  check "what lies behind the disk is left alone" \
    [ "$(tail -c 2097152 file | tr -d '\377' | wc -c)" = 0 ]
  dd if=/dev/zero of="$loop" bs=1M count=4 status=none
  fed socket --stay i "$tool" stream_decode --target-is-zero "$loop"
  exits 0 "onto one that is said to be zeroed"
  check "the disk is as it must be, too" cmp -n 2097152 "$loop" raw
  fed socket cut "$tool" stream_decode "$loop"
  exits 3 "an image that is cut"
  fed socket --stay i "$tool" stream_decode "$loop"
  exits 0 "is no obstacle to the next"
else
  skip "a device" "it needs root and losetup"
fi
is "$(ls -A tmp)" "" "nothing is left of all of them"
done_testing
