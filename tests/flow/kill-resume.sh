#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 at any moment loses at most one commit interval, and never a byte of the disk (J1, J3).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

connections=4 interval=1

# killed_import WHAT KILLS RATE MIN_MS: RATE of a connection; each attempt lives MIN_MS and up to
# a second more, the first one only about as long as the first commit takes.
killed_import () {
  what=$1 kills=$2 rate=$3
  disk=$scratch/disk-${image##*/}
  serve "$rate"
  "$QIMPORT" start -q --connections $connections --commit-interval $interval "$url" "$disk" &
  background
  killed=0 fell=0 before=0
  while [ $killed -lt "$kills" ]; do
    random_below 1000
    kill_after_ms $! $((random + (killed == 0 ? 300 : $4)))
    [ ! -e "$disk" ] || break
    killed=$((killed + 1))
    qimport status "$disk" --json >"$scratch/status" 2>/dev/null || echo '{}' >"$scratch/status"
    now=$(jq '.bytes.guest_committed // 0' "$scratch/status")
    [ "$now" -ge "$before" ] || fell=$((fell + 1))
    before=$now
    if jq -e .id "$scratch/status" >/dev/null; then
      "$QIMPORT" resume -q "$disk" &
    else # killed before there was an import
      "$QIMPORT" start -q --connections $connections --commit-interval $interval "$url" "$disk" &
    fi
    background
  done
  wait $!
  is $? 0 "$what: the last resume ends with 0"
  check "$what: the import was killed $killed times before it was complete" [ "$killed" -ge 3 ]
  is "$fell" 0 "$what: what was committed stays committed over every kill"
  assert_identical "$disk" "$expected" "$what: the disk is what qemu-img makes of the image"
  is "$(import_of "$disk" .state)" complete "$what: status says complete"
  check "$what: attempts are counted" [ "$(import_of "$disk" .attempts)" -ge $((killed / 2)) ]
  cost
  rm -rf "$disk" "$scratch/nginx"
}

# What may be lost a kill: a commit interval, half of one more and half a second (the commit
# itself, on a busy machine), the second that nginx gives a request in advance; and header and
# tables, which are looked at again.
cost () {
  length=$(size_of "$image")
  slack=$((killed * (rate * connections * (3 * interval + 1 + 2) / 2 + 131072)))
  note "image $length, sent $(sent_bytes), told $(import_of "$disk" .bytes.fetched), slack $slack"
  check "$what: the server sent the image and at most an interval a kill" \
    [ "$(sent_bytes)" -le $((length + slack)) ]
  check "$what: status tells no more than the server sent" \
    [ "$(import_of "$disk" .bytes.fetched)" -le "$(sent_bytes)" ]
}

say_seed
# So slow that the pieces in flight last longer than an attempt.
image deflate 64K
killed_import "a slow link" 5 125000 3500
image plain 2M
killed_import "large plain clusters" 6 1000000 900
done_testing
