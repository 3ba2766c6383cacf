#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What options ask of the network: a rate, mirrors, pins, client certificates; and imports through
# a server that breaks every connection.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"
needs jq qemu-img python3 openssl

disk=$scratch/disk
net_image 6
liar

# ---- --limit-rate

ideal=$(($(size_of "$image") * 1000 / 1048576))
fast=0
# a machine that is busy elsewhere is no fault of the limit; that it is never exceeded is its duty
for try in 1 2 3; do
  afresh
  lie
  at=$(now_ms)
  run qimport start --limit-rate 1M "$url" "$disk"
  took=$(($(now_ms) - at))
  [ $took -ge $((ideal * 95 / 100)) ] || fast=$((fast + 1))
  [ $took -gt $((ideal * 105 / 100)) ] || break
done
exits 0 "--limit-rate 1M"
check "  it took $took ms (try $try), within 5 % of $ideal ms" [ $took -le $((ideal * 105 / 100)) ]
is $fast 0 "  and was never faster"
assert_identical "$disk" "$expected" "  every byte is right"

# ---- --mirror

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
with_mirror "of the same image" '' ''
check "  serves some of it" [ "$(body "$second_requests")" -gt 500000 ]
check "  and so does the first" [ "$(body "$first_requests")" -gt 500000 ]
check "  the log says that it is in use" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*in use"' - "$disk"
with_mirror "with another ETag, the same bytes" '' 'etag,"m"'
check "  is used" [ "$(body "$second_requests")" -gt 500000 ]
with_mirror "with other bytes" '' 'other+etag,"m"'
check "  is asked for samples only" [ "$(body "$second_requests")" -le 131072 ]
check "  the log says why" sh -c '"$QIMPORT" log "$1" | grep -q "mirror .*not used"' - "$disk"
with_mirror "of another length" '' 'total,99999999'
with_mirror "that is not there" '' 'status,404'
with_mirror "that breaks off" '' 'cut,30000@4-'
with_mirror "that fails" '' 'status,503@4-'
check "  is demoted" [ "$(jq -s 'map (select (.status == 503)) | length' "$second_requests")" -le 8 ]
with_mirror "rescues a first URL that is dead" 'status,404' ''
with_mirror "rescues a first URL that dies" 'status,410@7-' ''

# ---- TLS: pins and client certificates

cd "$scratch" || exit 99
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost 2>/dev/null
pin=sha256//$(openssl x509 -in cert -pubkey -noout | openssl pkey -pubin -outform der 2>/dev/null |
  openssl dgst -sha256 -binary | base64)
liar --tls "$scratch/cert" "$scratch/key"
tls=https://localhost:$port/image
afresh
run qimport start --cacert "$scratch/cert" --pinnedpubkey "$pin" "$tls" "$disk"
exits 0 "--pinnedpubkey: the right one"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
lie
run qimport start --cacert "$scratch/cert" --pinnedpubkey "sha256//$(head -c 32 /dev/zero | base64)" "$tls" "$disk"
exits 4 "--pinnedpubkey: another: 4"
is "$(asked)" 0 "  no request was sent"
nothing "  nothing was made"

# ---- every connection breaks, at any byte

url=$first requests=$first_requests control=$first_control
imports=3
if [ -n "${QIMPORT_TEST_LONG:-}" ]; then
  imports=100
  net_image 50
fi
say_seed
bad=0 i=0
while [ $i -lt $imports ]; do
  i=$((i + 1))
  afresh
  random_below 1000000
  lie "break,$random,50,$((2000000 / (imports > 3 ? 1 : 4)))"
  "$QIMPORT" start -q --retry-time 60 "$url" "$disk" 2>>"$scratch/broken.err" &&
    cmp "$disk" "$expected" 2>>"$scratch/broken.err" || bad=$((bad + 1))
  import_of "$disk" .bytes.fetched
done >"$scratch/fetched"
is "$bad" 0 "$imports imports through connections that all break: every byte is right"
worst=$(sort -n "$scratch/fetched" | tail -n 1)
check "  at most $worst bytes were taken, 1.1 times the image's $(size_of "$image")" \
  [ "$worst" -le $(($(size_of "$image") * 11 / 10)) ]
done_testing
