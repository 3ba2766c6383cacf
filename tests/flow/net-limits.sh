#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Servers that bear so many requests at a time, or a second, and no more: they are asked no more
# than that, nearly always.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

# One cluster for each L2 table, far apart: every table is a request of its own.
image=$scratch/tables.qcow2 expected=$scratch/expected.raw
qemu-img create -q -f qcow2 -o cluster_size=4K "$image" 512M
python3 -c '
for i in range (200):
    print ("write -P %d %d 256K" % (i % 255 + 1, i << 21))' |
  qemu-io -f qcow2 -t unsafe "$image" >/dev/null
qemu-img convert -O raw "$image" "$expected"
disk=$scratch/disk
liar
# limited LIE CONNECTIONS WHAT
limited () {
  afresh
  lie "$1"
  run qimport start --retry-time 20 --connections "$2" "$url" "$disk"
  exits 0 "N15: $3"
  assert_identical "$disk" "$expected" "  every byte is right"
  refused=$(asked '.status == 503 or .status == 429') all=$(asked)
}
limited '' 1 "one connection"
is "$(jq -s 'map (.busy) | max' "$requests")" 1 "  never had two requests at a time"
limited delay,0.01 4 "four connections"
check "  had more than four small requests at a time once they were borne" \
  [ "$(jq -s 'map (.busy) | max' "$requests")" -gt 4 ]
limited delay,0.01 1 "one connection, a server that takes its time"
is "$(jq -s 'map (.busy) | max' "$requests")" 1 "  never had two requests at a time"
limited at-once,3+delay,0.02 8 "three requests at a time"
check "  $refused of $all were refused, fewer than one in ten" [ $((refused * 10)) -lt "$all" ]
limited at-once,2,429+delay,0.02 4 "two at a time, or 429"
check "  $refused of $all were refused, fewer than one in ten" [ $((refused * 10)) -lt "$all" ]
limited rate,20 4 "20 requests a second"
check "  $refused of $all were refused, fewer than one in ten" [ $((refused * 10)) -lt "$all" ]
done_testing
