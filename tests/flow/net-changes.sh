#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images that change at the source, and sources that move: what is known of the image decides
# whether an import goes on, however little that is.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image
disk=$scratch/disk
cp "$image" "$scratch/first"
# The same length and tables, other data: what only a look at the data can tell.
python3 - "$scratch/first" "$scratch/second" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for i in range(len(data) // 3, len(data)):
    data[i] ^= 0x55
open(sys.argv[2], "wb").write(data)
END
# The first data cluster other too.
python3 - "$scratch/first" "$scratch/third" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for i in range(len(data) // 10, len(data)):
    data[i] ^= 0x55
open(sys.argv[2], "wb").write(data)
END
liar
become () { cp "$scratch/$1" "$image"; }

# ---- C1, C2, C8: another image, and the server says so

begin
become third
lie 'etag,"new"'
run qimport resume "$disk"
exits 4 "C1: replaced, same length, new ETag: 4"
says 'changed since the import began' "  the message says so"
untouched "  journal and part file are as they were"
is "$(asked '.if_range != null and .status == 206')" 0 "  nothing of the new one was taken"
become first
finishes "  the old image ends it"
begin
become third
lie 'etag,"new"'
run qimport resume --restart "$disk"
exits 0 "C1: --restart begins anew"
qemu-img convert -O raw "$scratch/third" "$scratch/third.raw"
assert_identical "$disk" "$scratch/third.raw" "  with the new image"
become first
for lies in 'etag,"new"@7-' 'modified,Sun%2C 04 Feb 2024 04:05:06 GMT@7-+etag,none' 'total,7000000@7-' \
  'etag,"new"@7-+if-range-ignored@7-'; do
  afresh
  lie "$lies"
  run qimport start "$url" "$disk"
  exits 4 "C2: replaced in the middle ($lies): 4"
  check "  there is no target" [ ! -e "$disk" ]
  check "  the log says so" sh -c '"$QIMPORT" log "$1" | grep -q " source_changed "' - "$disk"
done
begin
for size in 6700000 6000000; do
  truncate -s $size "$image"
  run qimport resume "$disk"
  exits 4 "C8: now $size bytes long: 4"
  untouched "  journal and part file are as they were"
done
become first
finishes "  the old image ends it"

# ---- C3, C4, C5, C6: the server cannot say so

# swapped LIES TRUST IF_RANGE WHAT
swapped () {
  begin_lies=$1+
  begin $digest
  lie "$1"
  run qimport resume "$disk"
  exits 0 "$4: the same image: goes on"
  assert_identical "$disk" "$expected" "  every byte is right"
  is "$(asked '.if_range != null')" "$3" "  If-Range was sent with $3 requests"
  check "  the receipt says how well it is known" \
    sh -c '"$QIMPORT" receipt "$1" | grep -qi "$2"' - "$disk" "$2"
  for other in third second; do
    begin $digest
    become $other
    lie "$1"
    run qimport resume "$disk"
    exits 4 "$4: $other image in its place: 4"
    untouched "  journal and part file are as they were"
    become first
  done
  lie "$1"
  run qimport resume "$disk"
  exits 0 "  the right image ends it"
  assert_identical "$disk" "$expected" "  every byte is right"
  begin_lies=
}
digest=
swapped etag,weak weak 0 "C3: a weak ETag"
swapped etag,none+modified,now weak 0 "C4: a date too recent"
swapped etag,none+modified,none length 0 "C5: no validator at all"
digest='--digest off'
swapped etag,weak weak 0 "C3: a weak ETag, with --digest off"
swapped etag,none+modified,none length 0 "C5: no validator at all, with --digest off"
for how in "--accept-new-validator" "--url"; do
  begin $digest
  become third
  lie 'etag,"new"'
  [ "$how" = --url ] && how="--url http://127.0.0.1:$port/elsewhere"
  run qimport resume $how "$disk"
  exits 4 "C7: another image, ${how%% *}, with --digest off: 4"
  untouched "  journal and part file are as they were"
  become first
  [ "$how" = --accept-new-validator ] || lie
  run qimport resume $how "$disk"
  exits 0 "  the same image goes on"
  assert_identical "$disk" "$expected" "  every byte is right"
done
afresh
head -c 3000000 "$scratch/first" >"$scratch/head"
run sh -c '"$QIMPORT" start --digest off - "$1" <"$2"' - "$disk" "$scratch/head"
exits 3 "C5: a pipe that breaks off, with --digest off: 3"
run sh -c 'cat "$2" | "$QIMPORT" resume "$1"' - "$disk" "$scratch/third"
exits 4 "  another image through the next one: 4"
run sh -c 'cat "$2" | "$QIMPORT" resume "$1"' - "$disk" "$scratch/first"
exits 0 "  the same image goes on"
assert_identical "$disk" "$expected" "  every byte is right"
digest=
afresh
lie etag,none
run qimport start "$url" "$disk"
check "C4: an old date is as good as an ETag: it is sent as If-Range" \
  [ "$(asked '.if_range != null')" -gt 3 ]
begin
python3 - "$image" <<'END'
import sys
f = open(sys.argv[1], "r+b")
f.seek(100); f.write(b"\1")
END
run qimport resume "$disk"
exits 4 "C6: the same ETag, another header: 4"
untouched "  journal and part file are as they were"
become first
finishes "  the old image ends it"

# Two entries of the L2 table are exchanged: the same length, header, L1 table and data.
python3 - "$scratch/first" "$scratch/exchanged" <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
l1_at = struct.unpack_from(">Q", data, 40)[0]
l2_at = struct.unpack_from(">Q", data, l1_at)[0] & ((1 << 56) - 512)
used = [i for i in range(8192) if struct.unpack_from(">Q", data, l2_at + 8 * i)[0]]
for i, j in [used[24:26]]:
    a, b = l2_at + 8 * i, l2_at + 8 * j
    data[a:a + 8], data[b:b + 8] = data[b:b + 8], data[a:a + 8]
open(sys.argv[2], "wb").write(data)
END

# ---- C12: a validator that is none

for tag in random random-weak; do
  lie "etag,$tag"
  afresh
  run qimport start "$url" "$disk"
  exits 0 "C12: an ETag that is another at each answer ($tag) is not looked at"
  says 'another at each answer' "  it is said"
  assert_identical "$disk" "$expected" "  every byte is right"
done
begin_lies=etag,random+if-range-ignored+
begin
lie etag,random
become exchanged
run qimport resume "$disk"
exits 4 "C12: its tables are: 4"
untouched "  journal and part file are as they were"
become first
run qimport resume "$disk"
exits 0 "C12: the same image ends it"
assert_identical "$disk" "$expected" "  every byte is right"
begin_lies=

# ---- C13: a date that vanishes

begin_lies=etag,none+
begin
lie etag,none+modified,none
run qimport resume "$disk"
exits 4 "C13: a date that is gone: 4"
says 'accept-new-validator' "  the message says what to do"
untouched "  journal and part file are as they were"
run qimport resume --accept-new-validator "$disk"
exits 0 "C13: --accept-new-validator goes on"
assert_identical "$disk" "$expected" "  every byte is right"
begin_lies=
afresh
lie etag,none+modified,none@7-
run qimport start "$url" "$disk"
exits 4 "C13: in the middle: 4"
check "  there is no target" [ ! -e "$disk" ]
# RFC 9110 15.3.7: the answer to If-Range may do without
lie etag,none+if-range-bare
finishes "C13: it may be missing where If-Range was honoured"

# ---- C7: another ETag, the same bytes

begin
lie 'etag,"moved"'
run qimport resume "$disk"
exits 4 "C7: another ETag: 4"
says 'accept-new-validator' "  the message names --accept-new-validator"
untouched "  journal and part file are as they were"
become second
lie 'etag,"moved"'
run qimport resume --accept-new-validator "$disk"
exits 4 "C7: --accept-new-validator where bytes changed: 4"
untouched "  journal and part file are as they were"
become first
lie 'etag,"moved"+status,503@20-'
run qimport resume --accept-new-validator "$disk"
exits 0 "C7: --accept-new-validator goes on"
assert_identical "$disk" "$expected" "  every byte is right"
check "  the log says so" sh -c '"$QIMPORT" log "$1" | grep -q "validator changed"' - "$disk"

# ---- C9: the URL

begin
lie need,x-sig,1
run qimport resume --url "http://127.0.0.1:$port/elsewhere?sig=SeCrEt2" "$disk"
exits 4 "C9: a signed link that has run out"
lie
run qimport resume --url "http://127.0.0.1:$port/elsewhere?sig=SeCrEt3" "$disk"
exits 0 "C9: renewed with --url"
assert_identical "$disk" "$expected" "  every byte is right"
is "$(asked '.path | contains ("sig=SeCrEt3") | not')" 0 "  only the new URL was asked"
is "$(import_of "$disk" .url)" "http://127.0.0.1:$port/elsewhere" "  status shows it, without its secret"
begin
cp "$scratch/third" "$image"
run qimport resume --url "http://127.0.0.1:$port/elsewhere?sig=SeCrEt4" "$disk"
exits 4 "C9: another image behind the new URL"
untouched "  journal and part file are as they were"
become first

# ---- C10: redirects

back=$port
front_url () {
  liar
  url=http://127.0.0.1:$port/image
}
back_requests=$requests back_control=$control
front_url
afresh
lie "redirect,http://127.0.0.1:$back/pinned"
: >"$back_requests"
run qimport start "$url" "$disk"
exits 0 "C10: redirected"
is "$(asked)" 1 "  it is resolved once"
check "  the log says where to" sh -c '"$QIMPORT" log "$1" | grep -q "redirected.*/pinned"' - "$disk"
afresh
lie "redirect,http://127.0.0.1:$back/pinned"
echo 'status,403@7-' >"$back_control"
run qimport start --connections 1 "$url" "$disk"
exits 4 "C10, N9: where it was redirected to refuses for ever: 4"
is "$(asked)" 6 "  the first URL was resolved again, five times"
afresh
lie "redirect,http://127.0.0.1:$back/pinned"
echo 'status,403@7' >"$back_control"
run qimport start --connections 1 "$url" "$disk"
exits 0 "C10: refuses once, and again is sent there: goes on"
assert_identical "$disk" "$expected" "  every byte is right"
is "$(asked)" 2 "  with two requests to the first URL"
afresh
lie "redirect,http://127.0.0.1:$back/pinned@1+redirect,http://127.0.0.1:$back/b%2Fetag%2C%22x%22/m@2-"
echo 'status,404@7-8' >"$back_control"
run qimport start --connections 1 "$url" "$disk"
echo >"$back_control"
exits 4 "C10: now redirected to a mirror with another ETag: 4"
check "  there is no target" [ ! -e "$disk" ]
lie "redirect,http://127.0.0.1:$back/pinned"
run qimport resume "$disk"
exits 0 "  the right mirror ends it"
assert_identical "$disk" "$expected" "  every byte is right"
# With a checksum of all of it the same bytes are the same image, whatever they are called.
sum=$(sha256sum <"$image" | cut -c 1-64)
afresh
lie "redirect,http://127.0.0.1:$back/pinned@1+redirect,http://127.0.0.1:$back/b%2Fetag%2C%22x%22/m@2-"
echo 'status,404@7' >"$back_control"
run qimport start --connections 1 --sha256 "$sum" "$url" "$disk"
echo >"$back_control"
exits 0 "C10: with --sha256, to a mirror with another ETag in the middle: goes on"
assert_identical "$disk" "$expected" "  every byte is right"
is "$(qimport log "$disk" --json | jq '[.events[] | select (.kind == "source_changed")] | length >= 1')" true "  the log says so"
cp "$image" "$scratch/here"
afresh
begin_redirected () {
  afresh
  lie "redirect,http://127.0.0.1:$back/pinned"
  echo 'quota,2500000' >"$back_control"
  run qimport ensure --connections 1 --retry-time 0 --sha256 "$sum" "$url" "$disk"
  exits 3 "C10: interrupted"
  lasting_state >"$scratch/lasting"
  lie "redirect,http://127.0.0.1:$back/b%2Fetag%2C%22x%22/m"
  echo >"$back_control"
}
begin_redirected
run qimport ensure --sha256 "$sum" "$url" "$disk"
exits 0 "C10: ensure --sha256 goes on at a mirror with another ETag"
assert_identical "$disk" "$expected" "  every byte is right"
begin_redirected
become third
run qimport ensure --sha256 "$sum" "$url" "$disk"
exits 4 "C10: but not at one with another image: 4"
untouched "  journal and part file are as they were"
become first
afresh
lie "redirect,http://127.0.0.1:$port/round"
run qimport start "$url" "$disk"
exits 4 "A4: redirects in a circle: 4"
check "  after six requests" [ "$(asked)" -le 6 ]
nothing "  nothing was made"
for to in file:///etc/hostname ftp://127.0.0.1/x gopher://127.0.0.1/x smb://127.0.0.1/x; do
  lie "redirect,$to"
  run qimport start "$url" "$disk"
  exits 4 "A3: redirected to $to: 4"
  nothing "  nothing was made"
done
no_secrets
done_testing
