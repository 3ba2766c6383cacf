# SPDX-License-Identifier: LGPL-2.1-or-later
#
# crash: what the tests of durability share; sourced after tests/flow/lib.sh, owns nothing that
# outlives the test.
#
#     tool NAME             $tool: the program of tests/tools/NAME.c, built for this test
#     small_image           $image, $source, $expected: 5 MiB of plain, compressed and zero clusters, some
#                           of them stale-looking, in several segments; quick to import
#     fresh                 $disk and $journal as before the first start
#     go_on                 what a user does after a crash, by what the journal says: start,
#                           resume or nothing; sets $rc
#     sound                 $why is "" if the crash left nothing wrong (committed.py)
#     whole                 $why is "" if the import is complete and $disk identical
#     repeatedly WHAT N DO  calls DO 1..N (or a sample), one TAP point for all of them
#
# QIMPORT_TEST_LONG=1 makes samples whole.

needs qemu-img qemu-io sqlite3 python3
long=${QIMPORT_TEST_LONG:-0}
disk=$scratch/disk
journal=$QIMPORT_JOURNAL
device=

tool () {
  tool=$scratch/$1
  ${CC:-cc} -D_GNU_SOURCE -O1 -o "$tool" "$top_srcdir/tests/tools/$1.c" -pthread ||
    bail "cannot compile $1"
}

small_image () {
  image=$scratch/small.qcow2 source=$scratch/small.qcow2
  expected=$scratch/small.raw
  head -c 2100000 /dev/urandom >"$scratch/noise"
  qemu-img create -q -f qcow2 "$image" 6M &&
  qemu-io -c "write -q -s $scratch/noise 0 1344k" -c "write -q -P 0x5a 1536k 64k" \
    -c "write -q -z 1664k 256k" -c "write -q -c -P 7 2M 64k" -c "write -q -c -P 8 2112k 64k" \
    -c "write -q -c -s $scratch/noise 3M 192k" -c "write -q -s $scratch/noise 3520k 1792k" \
    -c "write -q -P 3 5632k 4k" "$image" &&
  qemu-img convert -O raw "$image" "$expected" || bail "cannot make a small image"
}

fresh () {
  rm -f "$journal"* "$disk".qimport-part
  if [ -n "$device" ]; then
    cp "$scratch/stale" "$device" # through the device: 0xaa everywhere
  else
    rm -f "$disk"
  fi
}

import_state () {
  state=
  [ ! -e "$journal" ] ||
    state=$(sqlite3 "$journal" 'SELECT state FROM import ORDER BY no DESC LIMIT 1' 2>/dev/null)
}

go_on () {
  case $state in
    "") run qimport start -q ${device:+--force} --commit-interval 0.1 "$source" "$disk" ;;
    complete) rc=0 ;;
    *) run qimport resume -q --limit-rate 0 "$disk" ;;
  esac
}

sound () { # also $state
  state= why=
  if said=$("$top_srcdir/tests/tools/committed.py" "$journal" "$disk" "$expected"); then
    state=${said% *}
    [ "$state" != None ] || state=
  else
    why=$said
  fi
}

whole () {
  why=
  import_state
  if [ "$state" != complete ]; then why="the journal says $state"
  elif [ -n "$device" ]; then
    cmp -n "$(size_of "$expected")" "$disk" "$expected" >"$scratch/cmp" 2>&1 || why=$(cat "$scratch/cmp")
  elif ! cmp "$disk" "$expected" >"$scratch/cmp" 2>&1; then why=$(cat "$scratch/cmp")
  elif [ -e "$disk.qimport-part" ]; then why="the part file is left behind"
  fi
}

# A crash has happened: is all well, now and after going on?
recovers () { # WHERE
  sound
  if [ -z "$why" ]; then
    go_on
    [ "$rc" = 0 ] || why="going on ended with $rc: $(tail -n 1 "$scratch/err")"
  fi
  [ -n "$why" ] || whole
  [ -z "$why" ] || wrong="$wrong$1: $why
"
}

# repeatedly SENTENCE SAMPLE DO ARGS...: DO ARGS STEP for every step until it says (returns) 1:
# nothing was struck any more; or for about SAMPLE of $steps steps.  DO appends to $wrong.
repeatedly () {
  sentence=$1 sample=$2
  shift 2
  wrong='' step=0 done_steps=0 stride=1
  [ "$long" = 1 ] || [ "$steps" -le "$sample" ] || stride=$((steps / sample))
  while :; do
    if [ $stride = 1 ]; then random=0; else random_below $stride; fi
    "$@" $((step + 1 + random)) || break
    done_steps=$((done_steps + 1))
    step=$((step + stride))
    [ -z "$wrong" ] || [ "$(printf %s "$wrong" | wc -l)" -lt 5 ] || break
    [ $step -le $((3 * steps)) ] || break
  done
  note "$done_steps of about $steps steps"
  if [ -n "$wrong" ]; then not_ok "$sentence" "$wrong"
  elif [ $done_steps -lt 3 ]; then not_ok "$sentence" "only $done_steps steps were struck"
  else ok "$sentence"; fi
}
