#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 at any moment loses at most one commit interval, and never a byte of the disk (J1, J3).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
needs nginx qemu-img jq mkfs.ext4 sfdisk

rate=125000 connections=4 interval=1 kills=5
image deflate 64K
serve "$rate"
say_seed
disk=$scratch/disk
length=$(size_of "$image")

"$QIMPORT" start -q --connections $connections --commit-interval $interval "$url" "$disk" &
background
killed=0 fell=0 before=0
while [ $killed -lt $kills ]; do
  # First about the time of the first commit, then after several.
  random_below 1000
  kill_after_ms $! $((random + (killed == 0 ? 300 : 3500)))
  [ ! -e "$disk" ] || break
  killed=$((killed + 1))
  qimport status "$disk" --json >"$scratch/status" 2>/dev/null || echo '{}' >"$scratch/status"
  now=$(jq '.bytes.guest_committed // 0' "$scratch/status")
  [ "$now" -ge "$before" ] || fell=$((fell + 1))
  before=$now
  if [ -s "$scratch/status" ] && jq -e .id "$scratch/status" >/dev/null; then
    "$QIMPORT" resume -q "$disk" &
  else # killed before there was an import
    "$QIMPORT" start -q --connections $connections --commit-interval $interval "$url" "$disk" &
  fi
  background
done
note "killed $killed times"
check "the import was killed several times before it was complete" [ "$killed" -ge 3 ]
is "$fell" 0 "what was committed stays committed over every kill"

wait $!
is $? 0 "the last resume ends with 0"
assert_identical "$disk" "$expected" "the disk is what qemu-img makes of the image"
is "$(import_of "$disk" .state)" complete "status says complete"
check "attempts are counted" [ "$(import_of "$disk" .attempts)" -ge $((killed / 2)) ]

# What may be lost a kill: a commit interval, half of one more and half a second (the commit
# itself, on a busy machine), the second that nginx gives a request in advance; and header and
# tables, which are looked at again.
slack=$((killed * (rate * connections * (3 * interval + 1 + 2) / 2 + 131072)))
note "image $length, sent $(sent_bytes), told $(import_of "$disk" .bytes.fetched), slack $slack"
check "the server sent the image and at most an interval a kill" \
  [ "$(sent_bytes)" -le $((length + slack)) ]
check "status tells no more than the server sent" \
  [ "$(import_of "$disk" .bytes.fetched)" -le "$(sent_bytes)" ]
done_testing
