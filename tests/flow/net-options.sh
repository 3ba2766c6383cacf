#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What options ask of the network: a rate, and the key of a server.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

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

# ---- --pinnedpubkey

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
exits 4 "N10: --pinnedpubkey: another: 4"
is "$(asked)" 0 "  no request was sent"
nothing "  nothing was made"

# ---- A13: whom to trust, as the program curl has it

mkdir "$scratch/certs"
cp "$scratch/cert" "$scratch/certs/$(openssl x509 -in "$scratch/cert" -noout -hash).0"
trusting () {
  afresh
  run env "$@" "$QIMPORT" start --retry-time 0 "$tls" "$disk"
}
for setting in CURL_CA_BUNDLE="$scratch/cert" SSL_CERT_FILE="$scratch/cert" SSL_CERT_DIR="$scratch/certs"; do
  trusting "$setting"
  exits 0 "A13: ${setting%%=*}"
done
trusting CURL_CA_BUNDLE=/etc/hostname SSL_CERT_FILE="$scratch/cert"
check "A13: CURL_CA_BUNDLE comes before SSL_CERT_FILE" [ $rc != 0 ]
trusting CURL_CA_BUNDLE= SSL_CERT_FILE=
exits 4 "A13: an empty one says nothing: 4"

done_testing
