#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images full of gaps, through servers that are slow, late, silent or broken in ways that nobody
# chose, with options that nobody chose: what is asked for, cut, asked for again and given to
# another connection ends with every byte in its place.  Then the same behind a redirector whose
# mirrors die, among limits, lies, stalls and passwords that change: no wrong byte, and no end with
# 4 where a patient user would have got the file.  With QIMPORT_TEST_LONG 150 imports of each kind
# (QIMPORT_ROUNDS, QIMPORT_STORMS).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk image=$scratch/image.qcow2 expected=$scratch/expected.raw
rounds=3 # of each kind
[ -z "${QIMPORT_TEST_LONG:-}" ] || rounds=150
rounds=${QIMPORT_ROUNDS:-$rounds}
storms=${QIMPORT_STORMS:-$rounds}
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

# ---- storms: a redirector, and two mirrors of which the first dies

first_port=$port first=$control
liar
second_port=$port second=$control
liar
away=$port hub=$control

# sporadic N: a few lies, none of them five times in a row, among the first N answers
sporadic () {
  sporadic=
  for _ in 1 2 3; do
    random_below "$1"
    at=$((2 + random))
    one_of "" "" "shift,512@$at" "416@$at" "no-content-range@$at" "status,203@$at" "long-chunked@$at" "cut,3000@$at" \
      "ignore-range@$at" "status,500@$at" "status,429,1@$at" "rst,100@$at" "html@$at" "total,double@$at" "stall,9000@$at"
    [ -z "$one" ] || sporadic=$sporadic+$one
  done
}
random_death () {
  random_below 12
  at=$((2 + random))
  one_of "status,503@$at-" "status,404@$at-" "status,403@$at-" "rst,0@$at-" "cut,0@$at-" "status,410@$at-" "html@$at-" \
    "status,400@$at-" "stall,0@$at-" "" "etag,none"
  death=$one
}
random_limit () { one_of "" "" "" "+rate,20" "+at-once,2" "+rate,30,429" "+slow,3000000" "+delay,0.02"; limit=$one; }
storm () {
  random_death
  random_limit
  sporadic 14
  echo "${death:-delay,0}$limit$sporadic" >"$first"
  random_limit
  sporadic 10
  echo "delay,0$limit$sporadic" >"$second"
  random_below 3
  one_of "" "" "+auth,me:old@1-8+auth,me:new@9-"
  password=$one
  echo "redirect,http://127.0.0.1:$first_port/image@1-$((1 + random))+redirect,http://127.0.0.1:$second_port/image@$((2 + random))-$password" >"$hub"
  storm="first: $(cat "$first"), second: $(cat "$second"), hub: $(cat "$hub")"
}
umask 077
# A password that changes is on the disk before it is wanted.
import_storm () {
  echo me:old >"$scratch/user"
  url=http://127.0.0.1:$away/image
  again=0
  # shellcheck disable=SC2086
  timeout -s INT 100 "$QIMPORT" start -q --stall-time 1 --retry-time 40 $options --user-file "$scratch/user" "$url" \
    "$disk" 2>"$scratch/err"
  rc=$?
  while [ $rc = 3 ] && [ $again -lt 3 ]; do
    again=$((again + 1))
    echo me:new >"$scratch/user"
    timeout -s INT 100 "$QIMPORT" resume -q --url "$url" "$disk" 2>"$scratch/err"
    rc=$?
    [ $rc != 7 ] || rc=3 # it left nothing behind
  done
}
i=0
while [ $i -lt "$storms" ]; do
  i=$((i + 1))
  afresh
  random_image
  random_options
  storm
  import_storm
  what="storm: $mix, $layout, $(size_of "$image") bytes; $storm; $options"
  if is_right; then ok "$what"; else not_ok "$what" "exit status $rc" "$(cat "$scratch/err" "$scratch/cmp")"; fi
done
done_testing
