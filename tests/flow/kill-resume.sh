#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 at any moment loses at most one commit interval, and never a byte of the disk (J1, J3);
# whatever the target is, and of a server behind which it is too.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/targets.sh"

connections=4 interval=1 commit=1 more=1000

# killed_import KIND WHAT KILLS RATE MIN_MS: RATE of a connection; each attempt lives MIN_MS and up to
# $more ms more, the first one only about as long as the first commit takes.
killed_import () {
  target "$1"
  what="$1: $2" kills=$3 rate=$4 least=$5
  serve "$rate"
  "$QIMPORT" start -q --connections $connections --commit-interval $commit "$url" "$disk" &
  background
  killed=0 fell=0 before=0
  while [ $killed -lt "$kills" ]; do
    random_below $more
    pid=$!
    kill_after_ms $pid $((random + (killed == 0 ? 300 : least)))
    ended=$?
    [ "$(import_of "$disk" .state 2>/dev/null)" != complete ] || break
    killed=$((killed + 1))
    qimport status "$disk" --json >"$scratch/status" 2>/dev/null || echo '{}' >"$scratch/status"
    now=$(jq '.bytes.guest_committed // 0' "$scratch/status")
    [ "$now" -ge "$before" ] || fell=$((fell + 1))
    before=$now
    if jq -e .id "$scratch/status" >/dev/null; then
      "$QIMPORT" resume -q "$disk" &
    else # killed before there was an import
      "$QIMPORT" start -q --connections $connections --commit-interval $commit "$url" "$disk" &
    fi
    background
  done
  if [ $killed = "$kills" ]; then
    wait $!
    ended=$?
  fi
  [ $ended != 137 ] || ended=$(import_of "$disk" '.state == "complete" | if . then 0 else 137 end')
  is $ended 0 "$what: the last resume ends with 0"
  check "$what: the import was killed $killed times before it was complete" [ "$killed" -ge 3 ]
  is "$fell" 0 "$what: what was committed stays committed over every kill"
  holds "$expected" "$what: the disk is what qemu-img makes of the image"
  is "$(import_of "$disk" .state)" complete "$what: status says complete"
  check "$what: attempts are counted" [ "$(import_of "$disk" .attempts)" -ge $((killed / 2)) ]
  cost
  forget_target
  rm -rf "$scratch/nginx"
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

# killed_server KIND KILLS: the server behind the target is killed again and again, and comes back.
killed_server () {
  target "$1"
  serve 1500000
  "$QIMPORT" start -q --connections $connections --commit-interval 0.2 --limit-rate 2M "$url" "$disk" &
  pid=$!
  background
  killed=0
  while [ $killed -lt "$2" ] && kill -0 $pid 2>/dev/null; do
    random_below 400
    sleep_ms $((random + 50))
    kill -0 $pid 2>/dev/null || break
    power_cut
    killed=$((killed + 1))
    sleep_ms $((random / 4))
    server_back
  done
  wait $pid
  is $? 0 "$1: over $killed kills of the server the import goes on"
  check "$1: it was killed often enough" [ $killed -ge $(($2 / 2)) ]
  holds "$expected" "$1: and the disk is what qemu-img makes of the image"
  forget_target
}

say_seed
# So slow that the pieces in flight last longer than an attempt.
image deflate 64K
killed_import file "a slow link" 5 125000 3500
image plain 2M
killed_import file "large plain clusters" 6 1000000 900
image deflate 64K
more=500 commit=0.2
for kind in $(kinds); do
  [ $kind = file ] || killed_import $kind "ten times" 10 250000 200
  case $kind in nbd*) killed_server $kind 10 ;; esac
done
done_testing
