#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job at full size: three compressions and three cluster sizes of a guest of real files,
# 20 MB/s, ten kills each; then a small image at 200 KB/s.  For make check-long.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

mib=${QIMPORT_LONG_MIB:-320}
say_seed

# killed_import WHAT RATE KILLS MIN_MS SPAN_MS
killed_import () {
  disk=$scratch/disk-${image##*/}
  what=$1 rate=$2 kills=$3
  serve $((rate / 4))
  "$QIMPORT" start -q --connections 4 "$url" "$disk" &
  background
  killed=0
  while [ $killed -lt "$kills" ]; do
    random_below "$5"
    kill_after_ms $! $((random + $4))
    [ ! -e "$disk" ] || break
    killed=$((killed + 1))
    if [ -n "$(import_of "$disk" .id 2>/dev/null)" ]; then
      "$QIMPORT" resume -q "$disk" &
    else
      "$QIMPORT" start -q --connections 4 "$url" "$disk" &
    fi
    background
  done
  wait $!
  is $? 0 "$what: the last resume ends with 0 after $killed kills"
  assert_identical "$disk" "$expected" "$what: the disk is what qemu-img makes of the image"
  limit=$(($(size_of "$image") + killed * (rate * 3 / 2 + 1048576)))
  check "$what: $(sent_bytes) bytes were sent, at most $limit" [ "$(sent_bytes)" -le $limit ]
  run qimport audit "$disk"
  exits 0 "$what: audit finds no difference"
  rm -f "$disk"
  rm -rf "$scratch/nginx"
}

for format in plain deflate zstd; do
  for cluster in 4K 64K 2M; do
    image $format $cluster "$mib"
    span=$(($(size_of "$image") / 20000 / 10)) # ms: ten kills fit in
    killed_import "$format, $cluster" 20000000 10 $((span / 2 + 200)) $((span + 1))
  done
done
image deflate 64K 4
killed_import "a link of 200 KB/s" 200000 5 1200 1500
done_testing
