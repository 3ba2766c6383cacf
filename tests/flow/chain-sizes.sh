#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A layer that is shorter than the one below it: behind its end are zeros, and what lies below does
# not show through.  Four layers in every order of their sizes, over a base that is qcow2 or raw, and
# as a delta onto what the target holds; by chance, and as qemu-img convert has them.
# QIMPORT_TEST_LONG=1: twenty times.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
say_seed

# sectors OF-SIZE: $at and $len, somewhere in it, in sectors
sectors () {
  random_below "$1"; at=$random
  random_below $(($1 - at)); len=$((random % 300 + 1))
  [ $((at + len)) -le "$1" ] || len=$(($1 - at))
}

# write_some FORMAT FILE SECTORS: a raw one is full
write_some () {
  at=$(($3 - 1))
  [ "$1" != raw ] || at=0
  set -- "$1" "$2" "$3" -c "write -q -P 255 $((at * 512)) $((($3 - at) * 512))"
  for _ in 1 2 3 4 5; do
    pattern=$((pattern % 250 + 1))
    sectors "$3"
    random_below 4
    what="-P $pattern"
    [ "$random" != 0 ] || [ "$1" = raw ] || what=-z
    set -- "$@" -c "write -q $what $((at * 512)) $((len * 512))"
  done
  format=$1 file=$2
  shift 3
  qemu-io -f "$format" "$@" "$file" >/dev/null || bail "qemu-io $*"
}

# layer NAME SECTORS FORMAT [BELOW FORMAT]
layer () {
  rm -f "$1"
  random_below 5
  case $3 in raw) o= ;; *) o="-o cluster_size=$((4096 << random))" ;; esac
  # shellcheck disable=SC2086
  qemu-img create -q -u -f "$3" $o ${4:+-b "$4" -F "$5"} "$1" $(($2 * 512)) || bail "qemu-img create $1"
  write_some "$3" "$1" "$2"
}

# chain SIZES BASE-FORMAT [UNDER]: l0 over l1 over l2 over l3, of these sizes, and over UNDER
chain () {
  under=${3:-}
  base=$2
  # shellcheck disable=SC2086
  set -- $1
  # shellcheck disable=SC2086
  layer l3 "$4" "$base" ${under:+"$under" raw}
  layer l2 "$3" qcow2 l3 "$base"
  layer l1 "$2" qcow2 l2 qcow2
  layer l0 "$1" qcow2 l1 qcow2
  qemu-img convert -q -O raw l0 want || bail "qemu-img convert"
}

import () { # OPTIONS...
  run qimport start -q --commit-interval 5 "$@" --backing l1 --backing l2 --backing l3 l0 disk
  [ "$rc" = 0 ] && cmp disk want >>err 2>&1 && rm disk
}

failed=0 n=0
tell () { # WHAT
  failed=$((failed + 1))
  [ $failed -gt 5 ] || note "$1: $(tail -n 1 err)"
  rm -f disk disk.qimport-part
}

round () {
  random_below 600; a=$((random + 9))
  random_below 600; b=$((a + random + 1))
  random_below 600; c=$((b + random + 1))
  random_below 600; d=$((c + random + 1))
  for w in $a $b $c $d; do for x in $a $b $c $d; do for y in $a $b $c $d; do for z in $a $b $c $d; do
    [ $w != $x ] && [ $w != $y ] && [ $w != $z ] && [ $x != $y ] && [ $x != $z ] && [ $y != $z ] || continue
    random_below 3
    case $random in
      0) chain "$w $x $y $z" qcow2; import || tell "$w $x $y $z over qcow2" ;;
      1) chain "$w $x $y $z" raw; import || tell "$w $x $y $z over raw" ;;
      2) layer under "$w" raw
         chain "$w $x $y $z" qcow2 under
         cp under disk
         import --unallocated keep || tell "$w $x $y $z onto what is there" ;;
    esac
    n=$((n + 1))
  done; done; done; done
}

pattern=0
rounds=1
[ -z "${QIMPORT_TEST_LONG:-}" ] || rounds=20
for _ in $(seq $rounds); do round; done
is $failed 0 "$n chains of four layers read as qemu-img reads them, whichever is shorter"

# ---- by hand

fixed () { # SIZES BASE-FORMAT [UNDER]: one cluster each, but for the base
  # shellcheck disable=SC2086
  set -- $1 "$2" ${3:+-b "$3" -F raw}
  rm -f l?
  l0=$1 l1=$2 l2=$3 l3=$4 format=$5
  shift 5
  qemu-img create -q -u -f "$format" "$@" l3 "$l3"k
  qemu-img create -q -u -f qcow2 -b l3 -F "$format" l2 "$l2"k
  qemu-img create -q -u -f qcow2 -b l2 -F qcow2 l1 "$l1"k
  qemu-img create -q -u -f qcow2 -b l1 -F qcow2 l0 "$l0"k
  qemu-io -f "$format" -c "write -P 3 0 ${l3}k" l3 >/dev/null || bail "qemu-io"
  qemu-io -f qcow2 -c 'write -P 1 64k 64k' l1 >/dev/null || bail "qemu-io"
  qemu-img convert -q -O raw l0 want || bail "qemu-img convert"
}

rm -f disk
fixed "960 320 704 832" raw
import
check "behind the end of a short layer in the middle are zeros" [ "$rc" = 0 -a ! -e disk ]
run qimport map --json --backing l1 --backing l2 --backing l3 l0
qemu-img map --output=json l0 >map.want
check "map shows them as qemu-img map does" \
  python3 "$top_srcdir/tests/tools/map-same.py" out map.want
head -c 983040 /dev/zero | tr '\0' x >under
fixed "960 320 704 832" qcow2
cp under disk
run qimport start -q --unallocated keep --backing l1 --backing l2 --backing l3 l0 disk
check "they are written over what the target holds" \
  cmp -i 327680 -n 655360 disk /dev/zero
cp under disk
fixed "960 832 704 320" qcow2 under
import --unallocated keep
check "and so behind the end of the last, where it lies on what the target holds" \
  [ "$rc" = 0 -a ! -e disk ]
cp under disk
fixed "960 832 704 320" qcow2
run qimport start -q --unallocated keep --backing l1 --backing l2 --backing l3 l0 disk
check "where it lies on nothing, nothing is written there" \
  cmp -i 327680 -n 393216 disk under
done_testing
