#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Servers that do not send what was asked for: at the start, when an import goes on, and in the
# middle of one.  Nothing of such an answer reaches the disk, and an honest server gets every
# import out of it.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image
liar
disk=$scratch/disk
sum=$(sha256sum <"$image" | cut -c 1-64)

broken_ranges 'shift,512' 4 'asked for bytes' "S2: a range that begins elsewhere"
broken_ranges 'no-content-range' 4 'without Content-Range' "S4: 206 without Content-Range"
broken_ranges 'content-range,bytes -5-9/5' 4 'makes no sense' "S4: a negative Content-Range"
broken_ranges 'content-range,bytes 0-99999999999999999999/6619136' 4 'makes no sense' \
  "S4: a Content-Range of 20 digits"
broken_ranges 'content-range,garbage' 4 'makes no sense' "S4: a Content-Range of garbage"
always 'encoding,gzip' 4 'Content-Encoding' "S9: Content-Encoding gzip"
broken_ranges 'multipart' 4 'multipart' "S10: multipart/byteranges"
always 'status,203' 4 'HTTP 203' "S11: 203"
always 'status,204' 4 'HTTP 204' "S11: 204"
always 'two-lengths,10' 4 'twice with different values' "S12: two Content-Lengths"
at_start 'length,10' 5 'ends after 10 bytes' "S12: a Content-Length that is not the range's" 6
read_forward= always 'length,10' 4 'Content-Length 10' "S12: a Content-Length that is not the range's"
broken_ranges 'total,star' 4 'size of the image' "S15: no length anywhere"
broken_ranges 'long' 4 'Content-Range says' "S7: a body twice as long as its range"
# what was right of these was used already, so that few of them in the middle do no harm
for lies in long-chunked endless; do
  what="S7: the same without a length"
  # asked for all of it such a server says nowhere how much that is
  [ $lies = long-chunked ] || what="S17: a body without end" forward_option=
  read_forward $lies "$what"
  begin
  at_resume $lies 4 'more bytes came' "$what" 5
  finishes "  an honest server ends it, bytes right"
  survives "$lies@6" "$what, once"
done
forward_option=--stream
always 'big-headers,400000' 3 'host offset' "S16: 400 KB of headers" 1

# S8
at_start 416 4 'HTTP 416' "S8: 416 for the first bytes" 6
at_start 416,0 5 'empty\|0 bytes' "S8: 416 of an empty file"
begin
at_resume 416 4 'HTTP 416' "S8: 416 with the length as it was" 5
at_resume 416,0 4 'changed' "S8: 416 with another length" 5
at_resume 416,7000000 4 'changed' "S8: 416 with a longer length" 5
in_the_middle 416@7- 4 'HTTP 416' "S8: 416 for bytes that are there"
in_the_middle 416,77@7- 4 'changed' "S8: 416 with another length"

# S5, S6
begin
at_resume total,double 4 'its length was' "S5: another total" 5
in_the_middle total,double@7- 4 'its length was' "S5: another total"
at_start html 5 'qcow2' "S6: a page to log in at"
begin
at_resume html 4 'changed' "S6: a page to log in at" 5
in_the_middle html@7- 4 'changed' "S6: a page to log in at"

# S1, S19
afresh
lie ignore-range
run qimport start "$url" "$disk"
exits 0 "S1: a server without ranges is read forward"
assert_identical "$disk" "$expected" "  every byte is right"
is "$(asked)" 1 "  with one request"
begin
at_resume 'ignore-range+etag,"other"' 4 'changed' "S1: 200 and another ETag" 5
at_resume ignore-range 3 'does not honour ranges' "S1: 200, the same ETag, where ranges were honoured"
budget=2 many=60 in_the_middle ignore-range@7- 3 'the whole image' "S1: 200 to every range from now on"
afresh
survives 'ignore-range@5+ignore-range@7' "S19: Range is ignored now and then"
survives 'ignore-range@7+etag,"other"@7' "S19: ignored once, with another ETag"

# S21: one lie is not a lying server
for some in shift,512 no-content-range 'content-range,garbage' encoding,gzip multipart status,203 \
  status,204 416 length,10 total,double html 'etag,"other"'; do
  whens=resume survives "$(echo "$some" | sed 's/$/@2-5/')" "S21: $some, four times"
done
whens=start survives 'no-content-range@1-4' "S21: no Content-Range, four times"

# S22: a server that sends all of it as a range
afresh
lie 'all-206'
run qimport start "$url" "$disk"
exits 0 "S22: 206 and all of it"
is "$(asked)" 1 "  with one request"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
lie 'all-206'
run qimport start --stream "$url" "$disk"
exits 0 "S22: the same with --stream"
is "$(asked '.range != null')" 0 "  no range was asked for"
assert_identical "$disk" "$expected" "  every byte is right"
afresh

# Answers that are odd, and right
survives 'short,65536' "S3: less than was asked for"
survives 'accept-ranges,none' "S13: Accept-Ranges: none"
survives 'interim,300' "S20: 300 interim answers each time"
survives 'chunked' "an honest chunked body"
survives 'if-range-200' "200 to every If-Range"
lie
run qimport start "$url" "$disk"
is "$(asked '.method != "GET"')" 0 "S14: HEAD is never asked"
is "$(asked '.headers["accept-encoding"] != "identity"')" 0 "S9: identity is asked for, always"
afresh

# S17: what comes after the range does not fill the memory
lie 'endless@7-'
python3 - "$QIMPORT" start "$url" "$disk" 2>"$scratch/err" >"$scratch/out" <<'END'
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(code in (0, 4), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 128 * 1024)
END
is "$(cat "$scratch/out")" "True True" "S17: a body without end does not fill the memory"
check "  and little of it is read" [ "$(asked '.sent > 33554432')" = 0 ]
afresh

# S18, N11: the same validators, other bytes
begin --sha256 "$sum"
lie 'flip,6000000'
run qimport resume "$disk"
exits 4 "S18, N11: a bit that flips on its way is found where --sha256 is given"
says 'SHA-256' "  and it says so"
check "  there is no target" [ ! -e "$disk" ]
lie
run qimport resume --restart "$disk"
exits 0 "  --restart gets out of it"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
lie
run qimport start "$url" "$disk"
says 'computed, not checked' "N11: without a checksum it is said that the source was not verified"
afresh
begin
at_resume 'other' 4 'changed\|qcow2' "S18: another image under the same ETag"
done_testing
