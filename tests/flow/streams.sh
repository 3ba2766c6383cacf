#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A pipe and a server read forward give the disk that ranges give, also after a kill, an early
# end, a signal and a trickle; other bytes at the resume are told apart.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
disk=$scratch/disk
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
# slowly RATE FILE: bytes a second onto standard output, in pieces of any length
slowly () {
  exec python3 -c '
import os, random, sys, time
rate, out = int(sys.argv[1]), sys.stdout.fileno()
random.seed(7)
data = open(sys.argv[2], "rb").read()
at, begun = 0, time.time()
while at < len(data):
    n = random.randrange(1, 30000)
    at += os.write(out, data[at:at + n])
    time.sleep(max(0, at / rate - (time.time() - begun)))
' "$1" "$2"
}

qimport start -q - "$disk" <"$image" 2>"$scratch/err"
rc=$?
exits 0 "an image on standard input is imported"
assert_identical "$disk" "$expected" "and the disk is the guest"
is "$(import_of "$disk" .bytes.fetched)" "$(size_of "$image")" "status tells what came"

fresh
mkfifo "$scratch/pipe"
slowly 2000000 "$image" >"$scratch/pipe" 2>/dev/null &
background
"$QIMPORT" start -q - "$disk" <"$scratch/pipe" 2>"$scratch/err" &
pid=$!
background
for _ in $(seq 100); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.1
done
kill -9 $pid
wait $pid 2>/dev/null
check "killed in the middle there is no disk" [ ! -e "$disk" ]
committed=$(import_of "$disk" .bytes.guest_committed)
check "but some of it is committed" [ "${committed:-0}" -gt 0 ]

head -c 3000000 "$image" >"$scratch/other"
head -c 3000000 /dev/urandom >>"$scratch/other"
qimport resume -q "$disk" <"$expected" 2>"$scratch/err"
rc=$?
check "what is no image is refused at the resume" [ $rc = 4 -o $rc = 5 ]

head -c 4000000 "$image" | "$QIMPORT" resume -q "$disk" 2>"$scratch/err"
rc=$?
exits 3 "a pipe that ends early leaves the import resumable"
one_message "and one line says so"
check "what was committed still is" [ "$(import_of "$disk" .bytes.guest_committed)" -ge "$committed" ]

qimport resume -q "$disk" <"$image" 2>"$scratch/err"
rc=$?
exits 0 "the same bytes again end it"
assert_identical "$disk" "$expected" "identical"

fresh
slowly 2000000 "$image" >"$scratch/pipe" 2>/dev/null &
background
env --default-signal=INT "$QIMPORT" start --progress plain - "$disk" <"$scratch/pipe" 2>"$scratch/err" &
pid=$!
background
for _ in $(seq 100); do
  [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
  sleep 0.1
done
kill -INT $pid
wait $pid
check "interrupted in the middle it says how much of how much is safe" \
  grep -q 'interrupted; [1-9].* of [1-9].* are safe' "$scratch/err"

fresh
sleep 60 >"$scratch/pipe" &
background
env --default-signal=INT "$QIMPORT" start -q - "$disk" <"$scratch/pipe" 2>"$scratch/err" &
pid=$!
sleep 0.5
at=$(now_ms)
kill -INT $pid
wait $pid
rc=$?
exits 3 "SIGINT is answered while nothing comes"
check "within two seconds" [ $(($(now_ms) - at)) -le 2000 ]

fresh
sum=$(sha256sum <"$image" | cut -d' ' -f1)
qimport start -q --sha256 "$sum" - "$disk" <"$image" 2>"$scratch/err"
rc=$?
exits 0 "the right --sha256 lets a stream through"
fresh
qimport start -q --sha256 "$(printf %064d 1)" - "$disk" <"$image" 2>"$scratch/err"
rc=$?
exits 4 "a wrong one does not"
check "and the disk does not appear" [ ! -e "$disk" ]
qimport forget "$disk" 2>/dev/null

fresh
run qimport start -q --stream "$url" "$disk"
exits 0 "--stream reads a server that honours ranges forward"
assert_identical "$disk" "$expected" "with the same disk"
fresh
"$QIMPORT" start -q --stream --limit-rate 3M --max-time 2 "$url" "$disk" 2>"$scratch/err"
is $? 3 "--stream, interrupted"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "goes on as a stream without saying so again"
assert_identical "$disk" "$expected" "with the same disk as well"
fresh
run qimport start -q "${url%/*}/plain/${image##*/}" "$disk"
exits 0 "a server without ranges is read forward"
assert_identical "$disk" "$expected" "with the same disk too"

# ---- a pipe that ends early, and what is said of it

fresh
head -c 1000 "$image" | "$QIMPORT" start -q - "$disk" 2>"$scratch/err"
rc=$?
exits 3 "a pipe that ends within the first cluster"
is "$(grep -c 'start again with the whole image; nothing was begun$' "$scratch/err")" 1 \
  "gets one piece of advice"
head -c 300000 "$image" | "$QIMPORT" start -q - "$disk" 2>"$scratch/err"
rc=$?
exits 3 "one that ends later"
is "$(grep -o 'go on with: .*\|resume\|again' "$scratch/err" | wc -l)" 2 "gets one as well: to resume it"
done_testing
