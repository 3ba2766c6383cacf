#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One connection that is much slower than the others does not hold up the import: what is left
# of its request is asked for elsewhere, and no byte is asked for again.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 24
disk=$scratch/disk
liar

# The requests for data: range, and what was sent of it.
data='select(.status == 206 and .n > 1)
  | (.range | capture("bytes=(?<from>[0-9]+)-(?<to>[0-9]+)") | map_values(tonumber)) as $r
  | {from: $r.from, to: $r.to, sent: .sent}'
# How many of the requests that were sent less than they asked for have all that they lack in
# others that began within them.
taken_over='[.[] | '$data'] as $all
  | [$all[] | select(.sent < .to - .from + 1) | . as $cut
     | select(any($all[]; .from > $cut.from and .from <= $cut.to))] | length'

# Without its rest being taken over, each of these would take ten minutes.
for how in stall,100000 slow,2000; do
  afresh
  lie "$how@6"
  run timeout -k 1 100 "$QIMPORT" start --connections 4 --stall-time 600 "$url" "$disk"
  exits 0 "$how: one request of many: the import ends"
  assert_identical "$disk" "$expected" "  every byte is right"
  for _ in $(seq 50); do # the server notices at its next write that nobody reads any more
    taken=$(jq -s "$taken_over" "$requests")
    [ "$taken" = 0 ] || break
    sleep 0.1
  done
  check "  what it left was asked for elsewhere" [ "$taken" -ge 1 ]
  fetched=$(import_of "$disk" .bytes.fetched)
  check "  and hardly a byte twice" [ "$fetched" -le $(($(size_of "$image") * 11 / 10)) ]
  is "$(qimport log "$disk" | grep -c ' retry ')" 0 "  it is no failure"
done

# A server that thinks for long is not asked again and again.
afresh
lie "delay,5@4-"
run timeout -k 1 100 "$QIMPORT" start --connections 4 --stall-time 600 "$url" "$disk"
exits 0 "answers that begin late: the import ends"
assert_identical "$disk" "$expected" "  every byte is right"
check "  after few requests" [ "$(asked)" -le 40 ]

# Requests of many segments on a link that turns out slow are cut, also where a gap between
# segments is read over: every quarter of a MiB around a MiB's end is in no cluster.
python3 - "$image" "$expected" <<'END'
import random, struct, sys
SIZE, COPIED, r = 65536, 1 << 63, random.Random(3)
places = [at for at in range(5, 640) if at % 16 not in (14, 15, 0, 1)]
with open(sys.argv[1], "wb") as f, open(sys.argv[2], "wb") as raw:
    f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, len(places) * SIZE, 0, 1,
                        3 * SIZE, SIZE, 1, 0, 0, 0, 0, 0, 4, 104))
    f.seek(SIZE)
    f.write(struct.pack(">Q", 2 * SIZE))
    f.seek(3 * SIZE)
    f.write(struct.pack(">Q", COPIED | 4 * SIZE))
    f.seek(4 * SIZE)
    f.write(struct.pack(f">{len(places)}Q", *(COPIED | at * SIZE for at in places)))
    for at in places:
        cluster = r.randbytes(SIZE)
        f.seek(at * SIZE)
        f.write(cluster)
        raw.write(cluster)
END
for interval in 0.25 0.3 0.35; do
  afresh
  lie delay,0.05+slow,2000000
  run qimport start --connections 4 --commit-interval $interval "$url" "$disk"
  exits 0 "cut in gaps, after $interval s: the import ends"
  assert_identical "$disk" "$expected" "  every byte is right"
done
check "  requests were cut" [ "$(jq -s '[.[] | '"$data"' | select(.sent < .to - .from + 1)] | length' "$requests")" -ge 2 ]
done_testing
