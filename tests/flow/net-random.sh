#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images full of gaps, through servers that are slow, late, silent or broken in ways that nobody
# chose, with options that nobody chose: what is asked for, cut, asked for again and given to
# another connection ends with every byte in its place.  With QIMPORT_TEST_LONG 150 imports
# (QIMPORT_ROUNDS).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk image=$scratch/image.qcow2 expected=$scratch/expected.raw
rounds=3
[ -z "${QIMPORT_TEST_LONG:-}" ] || rounds=150
rounds=${QIMPORT_ROUNDS:-$rounds}
say_seed
: >"$image"
liar

# one_of WORD...: one of them, in $one
one_of () {
  random_below $#
  shift "$random"
  one=$1
}
random_image () {
  one_of data=1,zero-alloc=1 data=5,zero-alloc=1 data=2,zero-alloc=3,compressed=2 data=1
  mix=$one
  one_of tables-first tables-last interleaved
  layout=$one
  one_of --scatter --no-scatter
  random_below 40
  set -- --size $(((8 + random) << 20)) --mix "$mix" --layout "$layout" "$one"
  random_below 30000
  python3 "$top_srcdir/tests/tools/qcow2-writer.py" "$@" --seed "$random" "$image" "$expected" ||
    bail "the writer fails: $*"
}
random_lies () {
  one_of delay,0 delay,0.02 delay,0.05
  lies=$one
  random_below 6
  one_of slow,800000 slow,2000000 slow,4000000 "slow,2000000@$((3 + random))-" "slow,50000@$((4 + random))"
  lies=$lies+$one
  random_below 30000
  one_of "" "" "+break,$random,200000,3000000"
  lies=$lies$one
  random_below 30000
  stop=$((random * 30))
  random_below 6
  one_of "" "" "+stall,$stop@$((4 + random))"
  lies=$lies$one
}
random_options () {
  options=
  for words in "--connections:2 4 8" "--commit-interval:0.1 0.3 1" "--memory:8M 16M 64M" \
    "--digest:on off"; do
    # shellcheck disable=SC2086
    one_of ${words#*:}
    options="$options ${words%:*} $one"
  done
}
# Ended by a silence that only patience ends, it goes on.
import () {
  # shellcheck disable=SC2086
  timeout -s INT 60 "$QIMPORT" start -q $options "$url" "$disk" 2>"$scratch/err"
  rc=$? again=0
  while [ $rc = 3 ] && [ $again -lt 3 ]; do
    again=$((again + 1))
    timeout -s INT 200 "$QIMPORT" resume -q "$disk" 2>"$scratch/err"
    rc=$?
  done
}
: >"$scratch/cmp"

i=0
while [ $i -lt "$rounds" ]; do
  i=$((i + 1))
  afresh
  random_image
  random_lies
  random_options
  lie "$lies"
  import
  what="$mix, $layout, of $(size_of "$image") bytes; $lies; $options"
  if is_right; then ok "$what"; else not_ok "$what" "exit status $rc" "$(cat "$scratch/err" "$scratch/cmp")"; fi
done
done_testing
