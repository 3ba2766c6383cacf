#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Imports through a server that breaks every connection after a random number of bytes, within the
# headers too: all end, identical, and little is fetched twice.  With QIMPORT_TEST_LONG of full
# size: 100 imports of 50 MiB (QIMPORT_BREAKS, for fewer at a time).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk
imports=3 mib=6 most=500000
[ -z "${QIMPORT_TEST_LONG:-}" ] || imports=${QIMPORT_BREAKS:-100} mib=50 most=2000000
net_image $mib
size=$(size_of "$image")
liar
say_seed
bad=0 i=0
: >"$scratch/broken.err"
: >"$scratch/asked"
while [ $i -lt $imports ]; do
  i=$((i + 1))
  afresh
  random_below 1000000
  lie "break,$random,50,$most,500" # one in eight within the first 500 bytes
  "$QIMPORT" start -q --retry-time 60 "$url" "$disk" 2>>"$scratch/broken.err"
  rc=$?
  is_right || {
    bad=$((bad + 1))
    cat "$scratch/cmp" >>"$scratch/broken.err"
  }
  jq -s -r '"\(length) \([.[] | select (.sent == 0)] | length) \(map (.sent) | add)"' "$requests" |
    sed "s/$/ $(import_of "$disk" .bytes.fetched)/" >>"$scratch/asked"
done
if [ $bad = 0 ]; then
  ok "N3: $imports imports of $mib MiB through connections that all break: every byte is right"
else
  not_ok "N3: $imports imports of $mib MiB through connections that all break" "$(tail -n 20 "$scratch/broken.err")"
fi
worst=$(awk '{ print $4 }' "$scratch/asked" | sort -n | tail -n 1)
check "  at most $worst bytes were fetched, 1.1 times the image's $size" [ "$worst" -le $((size * 11 / 10)) ]
set -- $(awk -v size="$size" '{ n += $1; h += $2; s += $3; f += $4 } END {
  printf "%d %d %.4f %.4f\n", n, h, s / size / NR, f / size / NR }' "$scratch/asked")
check "  of $1 answers $2 ended within their headers" [ "$2" -ge 1 ]
note "of each image's size, $3 were sent and $4 fetched, on average"
done_testing
