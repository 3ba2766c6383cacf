#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What of a URL is not stored: a query that names another image is not taken for the same one, a renewed link of
# the same image is, and what has to be given again is named.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 6
disk=$scratch/disk
liar
at=http://127.0.0.1:$port/image
ends () { if [ "$rc" = "$1" ]; then ok "$2"; else not_ok "$2" "exit status $rc, not $1" "$(cat "$scratch/err")"; fi; }
ensure () { run qimport ensure --progress none --retry-time 0 "$@" "$disk"; }
last=$(($(size_of "$image") - 4096)) # in the last segment

# ---- over a complete import

whole () { afresh; lie; run qimport start -q "$@" "$disk"; lie; }
whole "$at?image=a&pass=sEcReT1"
ensure "$at?image=a&pass=sEcReT1"
is "$rc:$(asked):$(cat "$scratch/err")" 0:0: "the same URL: 0, and nobody is asked"
ensure "$at?image=a&pass=sEcReT2"
ends 0 "another query, and the same image behind it: 0"
check "  the server was asked" [ "$(asked)" -gt 0 ]
for what in other "flip,$last" 'etag,"another"' 'header2,X: y+other'; do
  lie "$what"
  ensure "$at?image=b&pass=sEcReT1"
  ends 6 "another query, and another image ($what): 6"
  says 'query differs' "  and it says so"
  one_message "  in one line"
done
lie status,403
ensure "$at?image=b"
ends 4 "another query, and no access: 4"
lie 'etag,none+modified,none'
ensure "$at?image=b"
ends 6 "another query, and a server that names no version: 6"
lie
ensure --sha256 "$(sha256sum <"$image" | cut -d' ' -f1)" "$at?image=b"
is "$rc:$(asked)" 0:0 "another query, but with the right --sha256: 0, and nobody is asked"
ensure "http://user:sEcReT@127.0.0.1:$port/image?image=a&pass=sEcReT1"
is "$rc" 0 "another user, the same image: 0"
lie other
ensure "http://user:sEcReT@127.0.0.1:$port/image?image=a&pass=sEcReT1"
ends 6 "another user, another image: 6"
lie
ensure "$at-2?image=a&pass=sEcReT1"
is "$rc:$(asked)" 6:0 "another path: 6, and nobody is asked"
sqlite3 "$QIMPORT_JOURNAL" "UPDATE import SET options = ''"
ensure "$at?image=a&pass=sEcReT1"
ends 0 "a journal that has no mark of the query: the server is asked"
check "  the server was asked" [ "$(asked)" -gt 0 ]

whole "$at?versionId=1&X-Amz-Date=1&X-Amz-Signature=sEcReT1"
ensure "$at?versionId=1&X-Amz-Date=2&X-Amz-Signature=sEcReT2"
is "$rc:$(asked):$(cat "$scratch/err")" 0:0: "a signature that was renewed: 0, and nobody is asked"
lie other
ensure "$at?versionId=2&X-Amz-Date=2&X-Amz-Signature=sEcReT2"
ends 6 "but of another version: 6"
whole "$at?sv=1&se=1&sig=sEcReT1"
ensure "$at?sv=1&se=2&sig=sEcReT2"
is "$rc:$(asked)" 0:0 "a shared access signature that was renewed: 0, and nobody is asked"
whole "$at"
lie other
ensure "$at?image=b"
ends 6 "a query where there was none, and another image: 6"
whole --stream "$at?image=a"
ensure "$at?image=a"
is "$rc:$(asked)" 0:0 "what was read as a stream: the same URL: 0"
ensure "$at?image=b"
ends 6 "  another query: 6, since nothing can be compared"
lie etag,weak
afresh
run qimport start -q "$at?image=a" "$disk"
ensure "$at?image=b"
ends 6 "  so is what has no strong tag"
whole --digest off "$at?image=a"
lie other
ensure "$at?image=b"
ends 6 "with --digest off samples still tell another image: 6"
lie
ensure "$at?image=b"
ends 0 "  from the same: 0"

# ---- over an interrupted one

url="$at?image=a&pass=sEcReT1"
begin
for what in other "flip,1400000" 'etag,"another"'; do
  lie "$what"
  ensure "$at?image=b"
  ends 6 "interrupted: another query, and another image ($what): 6"
  untouched "  journal and part file are as they were"
done
lie
ensure "$at?image=a&pass=sEcReT2"
ends 0 "interrupted: another query, and the same image: it goes on"
assert_identical "$disk" "$expected" "  every byte is right"
begin --digest off
lie other
ensure "$at?image=b"
ends 6 "interrupted, with --digest off: another query, and another image: 6"
lie
untouched "  journal and part file are as they were"
ensure "$url"
ends 0 "  the same: it goes on"

# ---- what was dropped is named when it is needed

main_control=$control
liar
plain=http://127.0.0.1:$port/image plain_requests=$requests plain_control=$control
liar
secret_mirror="http://127.0.0.1:$port/image"
echo status,404 | tee "$control" >"$plain_control"
control=$main_control url=$at
begin --mirror "$secret_mirror?sig=sEcReT3" --mirror "$plain"
: >"$plain_requests"
: >"$plain_control"
lie status,500
run qimport resume --progress none --retry-time 5 "$disk"
ends 0 "a mirror without a secret is remembered, and goes on where the image's server fails"
check "  it was asked" [ -s "$plain_requests" ]
says "$secret_mirror: the secret part of this mirror" "  the one that is missing is named"
is "$(grep -c mirror "$scratch/err")" 1 "  and no other"
lie

cd "$scratch" || exit 99
cp "$expected" base.raw
ln -s base.raw image
qemu-img create -q -f qcow2 -F raw -b image top.qcow2
cp "$image" kept.qcow2
cp base.raw image.qcow2
url=$scratch/top.qcow2
begin --backing "$at?pass=sEcReT4"
run qimport resume --progress none "$disk"
ends 4 "a backing file whose secret was dropped is asked for"
says "$at: the secret part of this backing file" "  by its name"
says "resume --backing URL" "  with what to type"
untouched "  journal and part file are as they were"
run qimport resume --progress none --backing "$at?pass=sEcReT4" "$disk"
ends 0 "  and with it the import goes on"
assert_identical "$disk" "$expected" "  every byte is right"
mv kept.qcow2 image.qcow2

python3 "$top_srcdir/tests/tools/proxy.py" --auth me:pRoXySeCrEt >"$scratch/proxy" 2>"$scratch/proxy.err" &
background
until [ -s "$scratch/proxy" ]; do sleep 0.05; done
proxy=127.0.0.1:$(cat "$scratch/proxy")
url=$at
begin --proxy "me:pRoXySeCrEt@$proxy"
run qimport resume --progress none "$disk"
ends 4 "a proxy whose password was dropped is asked for, not gone around"
says "$proxy: the password of this proxy" "  by its name"
untouched "  journal and part file are as they were"
run qimport resume --progress none --proxy "me:pRoXySeCrEt@$proxy" "$disk"
ends 0 "  and with it the import goes on"
no_secrets
done_testing
