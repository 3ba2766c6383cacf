#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Several places that have the image, or say so: what is the same shares the work, what is not is
# not used, what fails or is slow is asked less, and the log says what came of each.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk
net_image 6
liar

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
with_mirror "of the same image" slow,800000 slow,800000
check "  serves some of it" [ "$(body "$second_requests")" -gt 500000 ]
check "  and so does the first" [ "$(body "$first_requests")" -gt 500000 ]
check "  the log says that it is in use" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*in use"' - "$disk"
with_mirror "with another ETag, the same bytes" slow,400000 'slow,2000000+etag,"m"'
check "  is used" [ "$(body "$second_requests")" -gt 1500000 ]
check "  the log says why" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*in use: the same tables and samples"' - "$disk"
afresh
echo 'quota,1000000' >"$first_control"
echo 'etag,"m"+status,503@3-' >"$second_control"
run qimport start --retry-time 0 --mirror "$second" "$first" "$disk"
exits 3 "  interrupted"
echo slow,300000 >"$first_control"
echo 'slow,2000000+etag,"m"' >"$second_control"
: >"$second_requests"
run qimport resume "$disk"
exits 0 "  it is used at a resume too"
check "  for some of it" [ "$(body "$second_requests")" -gt 1200000 ]
assert_identical "$disk" "$expected" "  every byte is right"
with_mirror "with other bytes" slow,800000 'other+etag,"m"'
check "  is asked for the first bytes only" [ "$(body "$second_requests")" -le 131072 ]
check "  the log says why" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*not used"' - "$disk"
with_mirror "of another length" '' 'total,99999999'
with_mirror "that is not there" '' 'status,404'
with_mirror "that breaks off" '' 'cut,30000@4-'
with_mirror "that fails" '' 'status,503@4-'
failed=$(jq -s 'map (select (.status == 503)) | length' "$second_requests")
check "  is demoted: it failed $failed times" [ "$failed" -ge 1 -a "$failed" -le 8 ]
with_mirror "that wants to be left alone for a day" '' 'status,503,86400@4-'
check "  is left alone" [ "$(jq -s 'map (select (.status == 503)) | length' "$second_requests")" -le 8 ]
afresh
echo 'status,503,86400@7-' | tee "$first_control" >"$second_control"
run qimport start --retry-time 60 --mirror "$second" "$first" "$disk"
exits 3 "N7: all that want to be left alone for a day: 3"
says 'later than --retry-time' "  it says why"
echo 'status,503,1@3-' | tee "$first_control" >"$second_control"
run qimport resume --retry-time 3 --mirror "$second" "$disk"
exits 3 "all that are busy for ever, a second at a time: 3"
with_mirror "rescues a first URL that is dead" 'status,404' ''
with_mirror "rescues a first URL that dies" 'status,410@7-' ''


# ---- what came of each

# counted URL: "REQUESTS BYTES FAILURES", by the last of the events that count
counted () {
  qimport log "$disk" --json | jq -r --arg url "$1: " '[.events[] | select (.kind == "mirror") | .detail |
    select (startswith ($url)) | capture ("(?<r>[0-9]+) requests, (?<b>[0-9]+) bytes, (?<f>[0-9]+) failures")]
    | last | "\(.r) \(.b) \(.f)"'
}
logged () { jq -rs '"\(length) \([.[].sent] | add // 0) \([.[] | select (.status >= 500)] | length)"' "$1"; }
with_mirror "is counted" slow,800000 'slow,800000+status,503@3'
is "$(counted "$first")" "$(logged "$first_requests")" "  requests, bytes and failures of the first URL"
set -- $(counted "$second")
is "$1 $3" "$(logged "$second_requests" | cut -d ' ' -f 1,3)" "  and of the mirror"
check "  and its bytes" [ "$2" -gt 500000 ]
check "  the receipt has them too" sh -c '"$QIMPORT" receipt "$1" | jq -e ".mirrors[] |
  select (test (\"$2 requests, $3 bytes, $4 failures\"))"' - "$disk" "$@"
afresh
echo 'quota,1500000' | tee "$first_control" >"$second_control"
run qimport start --retry-time 0 --mirror "$second" "$first" "$disk"
exits 3 "interrupted"
check "  it is told as well" [ -n "$(counted "$second")" ]
check "  before the end" sh -c '"$QIMPORT" log "$1" --json | jq -e ".events[-1].kind == \"interrupted\""' - "$disk"

# ---- slow ones

: >"$first_control"
: >"$second_control"
net_image 16
slow_mirror () {
  with_mirror "$1" "$2" "$3"
  check "  $(body "$4") bytes came from it, at most 6 MB of 17" [ "$(body "$4")" -le 6000000 ]
  check "  the log says so" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*slow: .*left alone"' - "$disk"
}
slow_mirror "that is slow, 50 KB/s" slow,2000000 slow,50000 "$second_requests"
slow_mirror "that is fast rescues a slow first URL" slow,50000 slow,2000000 "$first_requests"
with_mirror "that is half as fast" slow,2000000 slow,1000000
check "  is used" [ "$(body "$second_requests")" -gt 2000000 ]
# sooner than the slow one would be asked again
with_mirror "that is slow, beside a connection that crawls" slow,2000000+stall,0@36 slow,50000 --max-time 45
with_mirror "of the same image, with --limit-rate" '' '' --limit-rate 3M
check "  nothing is called slow" sh -c '! "$QIMPORT" log "$1" | grep "slow"' - "$disk"

done_testing
