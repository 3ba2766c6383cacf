#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ranges that prove to be no good only after the first answer, but before anything was committed:
# the import begins anew by itself, read from the image's start, and says so.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 6
disk=$scratch/disk
liar

turns () { # LIES WHAT
  afresh
  lie "$1"
  run qimport start "$url" "$disk"
  exits 0 "S23: $2: it is read forward"
  assert_identical "$disk" "$expected" "  every byte is right"
  says "read from its start, as with --stream" "  and it says so"
  is "$(asked '.range == null')" 1 "  once"
  is "$(qimport status --json | jq '.imports | length')" 1 "  there is one import"
}
turns shift,512@2- "other ranges than were asked for, from the second on"
turns no-content-range@2- "no Content-Range, from the second on"
turns ignore-range@2- "the whole image instead of the range, from the second on"
afresh
lie shift,512@2-
run qimport ensure -q "$url" "$disk"
exits 0 "S23: ensure does so too"
run qimport ensure -q "$url" "$disk"
exits 0 "  and then there is nothing to do"

# what is broken now and then is asked for again, and stays what it is
whens=start survives "long-chunked@3+shift,512@5" "S7: more than was asked for, once"
lie
begin
lie shift,512@2-
run qimport resume "$disk"
exits 4 "S23: where something is committed it is 4"
untouched "  journal and part file are as they were"
finishes "  an honest server ends it, bytes right"
done_testing
