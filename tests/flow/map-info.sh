#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What map and info say is what is known, and in the words of qemu-img: of an image without its
# backing file, of zeros that have a place, of short backing files and empty disks, of empty files.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
same=$top_srcdir/tests/tools/map-same.py
mapped () { # SENTENCE TOP OPTIONS...
  sentence=$1 top=$2
  shift 2
  run qimport map --json "$@" "$top"
  qemu-img map --output=json "$top" >want
  check "$sentence" python3 "$same" out want
}

qemu-img create -q -f qcow2 base.qcow2 1M
qemu-io -f qcow2 -c 'write -P 3 0 64k' base.qcow2 >/dev/null
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2 2M
qemu-io -f qcow2 -c 'write -z 128k 64k' -c 'write -P 4 256k 128k' -c 'write -z 256k 64k' \
  -c 'write -z 320k 64k' -c 'write -P 5 1536k 64k' top.qcow2 >/dev/null

# ---- a backing file that was not given

run qimport map top.qcow2
exits 5 "a map without the backing file is refused"
one_message "in one line"
check "which names the file, and the option" grep -q 'base.qcow2.*--backing' err
run qimport map --json top.qcow2
exits 5 "as JSON too"
run qimport map --json --allow-partial top.qcow2
exits 0 "with --allow-partial it is shown"
is "$(jq -c '[.[] | select(.start < 131072) | [.length, .present, .zero, .data]]' out)" \
  '[[131072,false,false,false]]' "what only the backing file has is neither present nor zero"
is "$(jq -c '[.[] | select(.start == 1048576 or .start == 1572864) | [.present, .zero, .data]]' out)" \
  '[[true,false,true]]' "what the image has is shown as it is"
is "$(jq 'map(.length) | add' out)" 2097152 "and nothing is left out"
run qimport map --allow-partial top.qcow2
check "the table says so as well" grep -q '^0 .*0x20000 .*unknown .*not given' out

# ---- in the words of qemu-img

mapped "zeros that have a place, and the end of a short base, are told as by qemu-img" top.qcow2 \
  --backing base.qcow2
is "$(jq -c '[.[] | select(.start == 262144) | [.length, .offset != null]]' out)" '[[131072,true]]' \
  "zeros whose places adjoin are one"
is "$(jq -c '[.[] | select(.start == 1048576) | [.length, .depth, .present]]' out)" \
  '[[524288,0,false]]' "behind the end of the base nothing is of depth 0"
qemu-img create -q -f qcow2 nothing.qcow2 0
mapped "a disk of no bytes is one entry of no bytes" nothing.qcow2
is "$(jq -c 'map(.length)' out)" '[0]' "as qemu-img has it"
qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=64k sub.qcow2 4M
qemu-io -f qcow2 -c 'write -P 3 0 64k' -c 'write -z 4k 2k' -c 'write -z 64k 32k' -c 'write -P 4 256k 2k' \
  sub.qcow2 >/dev/null
mapped "so are subclusters" sub.qcow2

qemu-img create -q -f qcow2 snap.qcow2 4M
qemu-img snapshot -c before snap.qcow2
qemu-img snapshot -c after snap.qcow2
run qimport info --json snap.qcow2
jq -c '[.snapshots[] | [.id, .name, ."date-sec", ."date-nsec", .icount]]' out >got
qemu-img info --output=json snap.qcow2 |
  jq -c '[.snapshots[] | [.id, .name, ."date-sec", ."date-nsec", .icount]]' >want
assert_identical got want "info has the time of snapshots to the nanosecond, and their icount"

# ---- an empty file is one wherever it lies

mkdir www
: >www/empty.qcow2
serve_start "$scratch/nginx" "$scratch/www" || bail "nginx does not start"
for where in "$serve_url/empty.qcow2" "$serve_url/plain/empty.qcow2" www/empty.qcow2; do
  for command in info map; do
    run qimport $command --retry-time 0 "$where"
    exits 5 "$command: ${where##*/http*:*/} of no bytes is no image"
    check "$command: and it is called empty" grep -q 'empty file' err
  done
  run qimport start -q --backing "$where" top.qcow2 disk
  exits 5 "nor is it a backing file"
done
done_testing
