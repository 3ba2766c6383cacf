#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which address a name has, as the options say: -4, -6 and --resolve, as with curl.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 3
disk=$scratch/disk
liar
name=http://images.test:$port/image
there=images.test:$port:127.0.0.1

run qimport start --retry-time 0 "$name" "$disk"
exits 3 "a name that nobody knows: 3"
lie
run qimport start --limit-rate 1M --max-time 2 --commit-interval 0.1 --resolve "$there" "$name" "$disk"
exits 3 "--resolve says where it is"
is "$(first_ask .headers.host)" "images.test:$port" "  the server is called by its name"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "  which a resume knows"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
run qimport info --resolve "images.test:$port:[::1],127.0.0.1" "$name"
is "$rc" 0 "several addresses, of which one answers"
for wrong in images.test images.test:80 images.test:0:127.0.0.1 images.test:80:localhost :80:127.0.0.1 \
  images.test:80:127.0.0.1, images.test:99999:127.0.0.1; do
  run qimport start --resolve "$wrong" "$name" "$disk"
  exits 2 "--resolve $wrong: 2"
  says "give HOST:PORT:ADDRESS" "  and it says what is wanted"
done

# localhost has an address of either kind, and the server one
local=http://localhost:$port/image
for options in -4 --ipv4 "-6 -4"; do
  # shellcheck disable=SC2086
  run qimport start -q $options "$local" "$disk"
  exits 0 "$options, and a server with IPv4"
  afresh
done
for options in -6 --ipv6 "-4 -6"; do
  # shellcheck disable=SC2086
  run qimport start -q --retry-time 0 $options "$local" "$disk"
  exits 3 "$options, and a server with IPv4: 3"
  nothing "  nothing was made"
done
begin -4
run qimport resume --retry-time 0 -6 --url "$local" "$disk"
exits 3 "a resume with -6 asks no IPv4"
run qimport resume -q --retry-time 1 -4 --url "$local" "$disk"
exits 0 "  and with -4 again goes on"
done_testing
