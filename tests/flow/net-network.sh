#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What networks do: names that are not found, refused and broken connections, silence, servers
# that are busy or have the image no longer, TLS that is not to be trusted; and Ctrl-C in the
# middle of each.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image
liar
disk=$scratch/disk
serve_free_port
nobody=http://127.0.0.1:$serve_port/image

# within SECONDS SENTENCE, of the last timed run
timed () {
  at=$(now_ms)
  run "$@"
  took=$(($(now_ms) - at))
}
within () { check "$2 (${took} ms)" [ $took -le $(($1 * 1000)) ]; }

# ---- N1, N2: nobody is there

timed qimport start --retry-time 1 "$nobody" "$disk"
exits 3 "N1: refused at the start: 3, after the budget"
within 4 "  and soon after it"
one_message "  in one line"
nothing "  nothing was made"
timed qimport start --retry-time 1 http://name.invalid/image "$disk"
exits 3 "N1: a name that is not found: 3"
nothing "  nothing was made"
lie
run qimport start "$url" "$disk"
exits 0 "  the same command works once somebody is there"
begin
run qimport resume --retry-time 1 --url "$nobody" "$disk"
exits 3 "N2: refused at resume: 3"
untouched "  journal and part file are as they were"
run qimport resume --retry-time 1 --url http://name.invalid/image "$disk"
exits 3 "N2: a name that is not found at resume: 3"
untouched "  journal and part file are as they were"
qimport resume --url "$url" -q "$disk"
assert_identical "$disk" "$expected" "  the right URL ends it"

# ---- N3, N4, N5, N8: broken, in the middle

# goes_on LIES WHAT: with every byte right, and little of it twice
goes_on () {
  afresh
  lie "$1"
  run qimport start --retry-time 20 "$url" "$disk"
  exits 0 "$2: the import ends all the same"
  assert_identical "$disk" "$expected" "  every byte is right"
  is "$(import_of "$disk" .state)" complete "  the journal knows it"
  sent=$(jq -s 'map (.sent) | add' "$requests")
  check "  $sent bytes were sent, at most 1.3 times the image" \
    [ "$sent" -le $(($(size_of "$image") * 13 / 10)) ]
  check "  status says what was fetched" \
    [ "$(import_of "$disk" .bytes.fetched)" -le "$sent" ]
}
goes_on 'rst,70000@5-9' "N3: reset in mid-body"
goes_on 'cut,70000@5-9' "N3: closed in mid-body"
goes_on 'cut,70000@5-9+no-length@5-9' "N4: closed early, without a length"
goes_on 'cut,70000@5-9+chunked@5-9' "N5: a chunked body cut"
goes_on 'cut-headers,60@5-9' "N3: cut within the headers"
goes_on 'status,500@6+status,502@7+status,504@8' "N8: 500, 502 and 504"
goes_on 'status,408@6+status,425@7' "N8: 408 and 425"
check "N8: the log has the retries" sh -c '"$QIMPORT" log "$1" | grep -q " retry "' - "$disk"
goes_on 'status,503,1@6' "N7: 503 with Retry-After: 1"
goes_on 'status,429,soon@6' "N7: Retry-After of garbage"

# ---- N7: Retry-After

afresh
lie 'status,503,2@6-7'
timed qimport start --retry-time 20 "$url" "$disk"
exits 0 "N7: Retry-After: 2"
check "  was waited for ($took ms)" [ $took -ge 2000 ]
begin
for after in 1000000000000 86400 'Fri%2C 01 Jan 2100 00:00:00 GMT'; do
  lie "status,503,$after"
  timed qimport resume --retry-time 60 "$disk"
  exits 3 "N7: Retry-After: $after is beyond the budget: 3"
  within 4 "  and at once"
  says 'Retry-After\|again after' "  the message says why"
  untouched "  journal and part file are as they were"
done
finishes "  the import goes on"

# ---- N6: silence

for how in stall,0 slow,200; do
  begin
  lie "$how"
  timed qimport resume --stall-time 1 --retry-time 3 "$disk"
  exits 3 "N6: $how for ever: 3"
  within 9 "  and soon"
  check "  it was tried again" [ "$(asked)" -ge 2 ]
  untouched "  journal and part file are as they were"
  finishes "  an honest server ends it"
done
afresh
lie 'stall,30000@6'
timed qimport start --stall-time 1 --retry-time 20 "$url" "$disk"
exits 0 "N6: silent once: cut, and asked again"
assert_identical "$disk" "$expected" "  every byte is right"
within 8 "  and soon"

# ---- N9: not there, not allowed

for status in 404 410 401 403; do
  afresh
  lie "status,$status"
  timed qimport start "$url" "$disk"
  exits 4 "N9: $status at the start: 4"
  within 3 "  at once"
  is "$(asked)" 1 "  after one request"
  nothing "  nothing was made"
  begin
  lie "status,$status"
  timed qimport resume "$disk"
  exits 4 "N9: $status at resume: 4"
  is "$(asked)" 1 "  after one request"
  says 'resume.*--url' "  it says how to go on"
  untouched "  journal and part file are as they were"
  afresh
  lie "status,$status@5-"
  run qimport start --connections 1 "$url" "$disk"
  exits 4 "N9: $status in the middle: 4"
  is "$(asked ".status == $status")" 1 "  after one such answer"
  says 'qimport resume --url' "  it says how to go on"
  stopped 4 "  there is no target; the journal says why"
  id=$(import_of "$disk" .id)
  lie
  run qimport resume --url "$url?sig=rEnEwEdSeCrEt" "$id"
  exits 0 "  resume --url goes on"
  assert_identical "$disk" "$expected" "  every byte is right"
done

# ---- N10: TLS

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/key" -out "$scratch/cert" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
plain_url=$url plain_requests=$requests plain_control=$control
afresh
liar --tls "$scratch/cert" "$scratch/key"
tls=https://localhost:$port/image
lie
timed qimport start --retry-time 30 "$tls" "$disk"
exits 4 "N10: a certificate nobody vouches for: 4"
within 4 "  at once"
nothing "  nothing was made"
is "$(asked)" 0 "  no request was sent"
run qimport start --cacert "$scratch/cert" "https://127.0.0.1:$port/image" "$disk"
exits 4 "N10: a certificate for another host: 4"
nothing "  nothing was made"
run qimport start --retry-time 1 "$(echo "$plain_url" | sed s/http:/https:/)" "$disk"
exits 3 "N10: a handshake that breaks off: 3"
lie 'status,503@8-'
run qimport start --insecure --retry-time 0 "$tls" "$disk"
exits 3 "N10: --insecure reads it"
lie
run qimport resume "$disk"
exits 4 "N10: and is not remembered"
run qimport resume --cacert "$scratch/cert" "$disk"
exits 0 "N10: --cacert goes on"
assert_identical "$disk" "$expected" "  every byte is right"
url=$plain_url requests=$plain_requests control=$plain_control

# ---- P4: Ctrl-C, whatever it waits for

# answers SIGNAL WHAT ARGUMENT...
answers () {
  what=$1
  shift
  env --default-signal=INT "$QIMPORT" "$@" 2>"$scratch/err" >"$scratch/out" &
  pid=$!
  background
  sleep 0.7
  at=$(now_ms)
  kill -INT $pid
  wait $pid
  rc=$?
  took=$(($(now_ms) - at))
  exits 3 "P4: Ctrl-C while $what: 3"
  within 2 "  within two seconds"
}
afresh
lie 'delay,30'
answers "no answer comes" start "$url" "$disk"
lie 'stall,1000'
answers "the first answer stalls" start "$url" "$disk"
lie 'stall,100000@6-'
answers "the data stall" start "$url" "$disk"
afresh
lie 'status,503,60'
answers "a busy server is waited for" start "$url" "$disk"
lie 'stall,1000+ignore-range'
answers "a stream stalls" start "$url" "$disk"
afresh
# a server that never accepts: its queue is full
python3 -c '
import socket, time
s = socket.socket (); s.bind (("127.0.0.1", 0)); s.listen (0)
c = [socket.socket () for i in range (4)]
for x in c: x.setblocking (False); x.connect_ex (s.getsockname ())
print (s.getsockname ()[1], flush=True); time.sleep (60)' >"$scratch/deaf" &
background
sleep 0.5
answers "a connection is made" start "http://127.0.0.1:$(cat "$scratch/deaf")/image" "$disk"

# The disk does not come back from its first sync, for a while.  (The tracer reaps no thread of it
# before that; that it is dead shows earlier.)
afresh
lie
env --default-signal=INT strace -D -f -qq -o "$scratch/syncs" -e trace=fdatasync \
  -P "$disk.qimport-part" -e inject=fdatasync:delay_enter=9000000 "$QIMPORT" start "$url" "$disk" 2>"$scratch/err" >"$scratch/out" &
pid=$!
background
until grep -q fdatasync "$scratch/syncs" 2>/dev/null; do sleep 0.1; done
kill -INT $pid
sleep 1.5
check "P4: Ctrl-C while the disk syncs waits for it" kill -0 $pid
at=$(now_ms)
kill -INT $pid
until grep -q '^State:.*Z' "/proc/$pid/status"; do sleep 0.05; done
took=$(($(now_ms) - at))
wait $pid
rc=$?
exits 130 "  and a second one does not: 130"
within 4 "  at once"
finishes "  the import goes on"
no_secrets
done_testing
