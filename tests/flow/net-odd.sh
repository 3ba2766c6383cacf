#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Answers that nobody thought of: headers folded, doubled, huge, in trailers, of another protocol;
# numbers at the end of what numbers can be; redirects that are relative, empty or poisoned.  What
# HTTP allows is right, and what it does not is refused as any other lie.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 6
liar
disk=$scratch/disk
many () { head -c "$2" /dev/zero | tr '\0' "$1"; }

# ---- odd, and right

whens=resume
range='bytes {first}-{last}/{total}'
survives "drop,Content-Range+header,Content-Range: bytes%0d%0a %09{first}-{last}/{total}" "a folded Content-Range"
survives "drop,Content-Range+header,cOnTeNt-rAnGe:   BYTES  {first}-{last}/{total}  " "odd case and spaces"
survives "header,Content-Range: $range" "Content-Range twice, alike"
survives 'status-line,HTTP/1.0 206 OK' "206 of HTTP/1.0"
survives 'status-line,HTTP/1.1 206' "206 without a phrase"
survives 'header,Connection: close' "Connection: close"
survives 'trailer,Content-Range: bytes 0-1/2,ETag: "t",Content-Length: 5' "trailers that say otherwise"
survives 'chunked+header,Content-Length: {len}' "chunked and a length"
survives 'header,Content-Encoding: identity' "S9: Content-Encoding: identity"
survives "big-headers,200000" "S16: 200 KB of headers"
# from the beginning, too
survives_from () {
  begin_lies=$1+
  survives "$1" "$2"
  begin_lies=
}
survives_from "etag,\"$(many e 253)\"" "an ETag of 255 bytes"
survives_from "etag,\"$(many e 254)\"" "an ETag of 256 bytes"
survives_from "etag,\"$(many e 10240)\"" "an ETag of 10 KB"
survives_from "etag,\"$(many e 10240)\"+modified,none" "the same, and nothing else to go by"
is "$(asked '.if_range != null')" 0 "  it is not sent back"
survives_from 'etag,"%01%1b[2J"' "A8: an ETag with control characters"
is "$(asked '.if_range != null')" 0 "  it is not sent back"
survives_from 'etag,"a%0dX-Evil: yes"' "A8: an ETag with a carriage return"
is "$(asked '.headers | has ("x-evil")')" 0 "  it makes no header"
survives_from 'etag,no-quotes' "an ETag without quotes"
begin
at_resume 'etag,"%01%1b[2J"' 4 'changed' "an ETag with control characters where there was another" 5
begin
at_resume "etag,\"$(many e 10240)\"" 4 'changed' "an ETag of 10 KB where there was another" 5
survives 'modified,yesterday' "a Last-Modified that is no date"
survives 'status,503,Sun%2C 06 Nov 1994 08:49:37 GMT@4' "N7: Retry-After in the past"
survives 'status,503,-5@4' "N7: a negative Retry-After"
whens=start survives 'interim,1000' "S20: 1000 interim answers each time"

# ---- odd, and wrong

broken_ranges "header,Content-Range: bytes 0-1/2" 4 'twice with different values' "S4: two Content-Ranges"
always 'header,ETag: "2"' 4 'twice with different values' "two ETags"
read_forward 'drop,Content-Range+header,Content-Range: items {first}-{last}/{total}' "a Content-Range of items"
read_forward "drop,Content-Range+header,Content-Range: $range%2C 5-9/{total}" "S4: a Content-Range with two ranges"
read_forward 'content-range,bytes 5-4/100' "S4: a Content-Range backwards"
for huge in 'bytes 0-18446744073709551615/18446744073709551616' \
  'bytes 18446744073709551615-18446744073709551616/18446744073709551617' \
  'bytes 0-9223372036854775807/9223372036854775808' 'bytes 0x0-0xffff/3211264'; do
  read_forward "content-range,$huge" "S4: Content-Range: $huge"
done
always 'header,this is no header' 4 'no HTTP answer' "a line that is no header"
survives_from 'total,9223372036854775807' "an image of 2^63 - 1 bytes"
for status in 226 299 304 300 305; do
  at_start "status,$status" 4 "HTTP $status" "S11: status $status" 6
done
for status in 412 400 451; do
  at_start "status,$status" 4 "HTTP $status" "S11: status $status"
done
at_start 'status-line,SSH-2.0-OpenSSH_9.2' 4 'no HTTP answer' "another protocol" 6
at_start 'status-line,HTTP/1.1 20 OK' 4 'no HTTP answer' "a status of two digits" 6
at_start 'status-line,HTTP/9.9 206 OK' 4 'no HTTP answer' "HTTP/9.9" 6
at_start 'header,Transfer-Encoding: nonsense' 4 'no HTTP answer' "a transfer encoding nobody knows" 6
at_start 'interim,100000' 3 '.' "S20: 100000 interim answers"
timed () {
  at=$(now_ms)
  run "$@"
  took=$(($(now_ms) - at))
}
lie 'interim,100000,0.2'
timed qimport start --stall-time 1 --retry-time 2 "$url" "$disk"
exits 3 "S20: interim answers for ever, slowly: 3"
check "  and soon ($took ms)" [ $took -le 8000 ]
nothing "  nothing was made"

# ---- redirects

# to LOCATION PATH WHAT
to () {
  afresh
  lie "redirect,$1@1"
  run qimport start "$url" "$disk"
  exits 0 "$3"
  assert_identical "$disk" "$expected" "  every byte is right"
  check "  the right path was asked" [ "$(asked ".path == \"$2\"")" -gt 1 ]
}
url=http://127.0.0.1:$port/a/b/image
to 'other' /a/b/other "a relative redirect"
to '../up' /a/up "one upwards"
to '/root' /root "one from the root"
to '?q=1%26r=2' '/a/b/image?q=1&r=2' "one that is a query"
to "//localhost:$port/x" /x "one without a scheme"
to "http://127.0.0.1:$port/f%23fragment" /f "one with a fragment"
to "HTTP://127.0.0.1:$port/upper" /upper "one with its scheme in capitals"
to "http://127.0.0.1:$port/sp ace" /sp%20ace "one with a space"
long=$(many x 100000)
to "$long" "/a/b/$long" "one of 100 KB"
to "http://u:sEcReT%40127.0.0.1:$port/user" /user "one with userinfo"
is "$(asked '.headers | has ("authorization")')" 0 "  which is not sent"
for bad in '' 'http://' 'http://[::1/x' 'http://127.0.0.1:99999/x' 'http://127.0.0.1:0/x' 'mailto:root' \
  'javascript:1' "http://127.0.0.1:$port/%01"; do
  afresh
  lie "redirect,$bad@1"
  run qimport start --retry-time 0 "$url" "$disk"
  case $rc in
    [34]) ok "a redirect to \"$bad\": $rc" ;;
    *) not_ok "a redirect to \"$bad\"" "exit status $rc" "$(cat "$scratch/err")" ;;
  esac
  one_message "  in one line"
  nothing "  nothing was made"
done

# ---- IPv6

if python3 -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>/dev/null; then
  liar --host ::1
  afresh
  run qimport start "http://[::1]:$port/image" "$disk"
  exits 0 "an address of IPv6"
  assert_identical "$disk" "$expected" "  every byte is right"
  is "$(import_of "$disk" .url)" "http://[::1]:$port/image" "  status shows it"
  is "$(first_ask .headers.host)" "[::1]:$port" "  as does the Host header"
else
  skip "an address of IPv6" "there is no IPv6 here"
fi
no_controls "no control character was shown"
no_secrets
done_testing
