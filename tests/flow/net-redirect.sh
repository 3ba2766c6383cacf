#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A URL that leads to one of several mirrors: one that does not serve, at the start or later, is
# left, and the URL is asked again where to go.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 4
disk=$scratch/disk
liar
back=http://127.0.0.1:$port back_requests=$requests
liar
dead=http://127.0.0.1:1

# led_to LIES FROM: lies in a path of the mirror, as an argument of a lie
led_to () { printf '%s/b/%s/m%s' "$back" "$1" "$2" | sed 's/,/%2C/g; s/+/%2B/g; s/@/%40/g'; }
# rescued WHAT URL [OPTION...]: the first answer of the redirector leads to URL, the later ones to a good mirror
number=0
rescued () {
  what=$1 first=$2
  shift 2
  number=$((number + 1))
  afresh
  : >"$back_requests"
  lie "redirect,$first@1+redirect,$back/good$number@2-"
  at=$(now_ms)
  run qimport start --stall-time 1 --retry-time 15 "$@" "$url" "$disk"
  exits 0 "C15: $what: the next mirror is asked"
  took=$(($(now_ms) - at))
  assert_identical "$disk" "$expected" "  every byte is right"
  is "$(asked)" 2 "  with two requests to the first URL"
  check "  few to what failed" [ "$(jq -s --arg u "/good$number" '[.[] | select (.path != $u and .status != 206)] | length' "$back_requests")" -le 5 ]
  check "  and soon ($took ms)" [ $took -le 9000 ]
}
for status in 404 403 410 400 401 451 500 502 503 429 503,600; do
  rescued "HTTP $status at the start" "$(led_to "status,$status" 1$status)"
done
rescued "refused at the start" "$dead/image"
rescued "reset at the start" "$(led_to rst,0 1)"
rescued "silent at the start" "$(led_to stall,0 1)"
rescued "a page at the start" "$(led_to html 1)"
rescued "no range at the start" "$(led_to content-range,garbage 1)"
for lies in status,404 status,410 status,403 status,400 status,500 status,503 status,429 status,503,600 rst,0 \
  stall,0 cut,0 no-content-range 'etag,"other"' html; do
  rescued "$lies in the middle" "$(led_to "$lies@6-" 2)" --connections 2
done

# What every mirror says is final.
for status in 404:4 403:4 400:4; do
  afresh
  lie "redirect,$(led_to "status,${status%:*}" 3)"
  run qimport start "$url" "$disk"
  exits "${status#*:}" "C15: HTTP ${status%:*} wherever it leads: ${status#*:}"
  is "$(asked)" 2 "  it was asked twice where that is"
  nothing "  nothing was made"
done
lie "redirect,$(led_to html 4)"
run qimport start "$url" "$disk"
exits 5 "C15: a page wherever it leads: 5"
nothing "  nothing was made"
# One after the other.
lie "redirect,$(led_to status,404 5)@1+redirect,$(led_to status,503 6)@2+redirect,$dead/x@3+redirect,$back/good@4-"
run qimport start --retry-time 20 "$url" "$disk"
exits 0 "C15: three mirrors that do not serve, and one that does"
assert_identical "$disk" "$expected" "  every byte is right"
done_testing
