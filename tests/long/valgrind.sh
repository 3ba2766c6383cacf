#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Under valgrind every command does what it does without, reads nothing that was never written, and
# gives back what it took: an import that is interrupted and gone on with, over HTTP and from a pipe,
# onto a file and onto a device, and what fails (P14).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
case $(nm -D "$QIMPORT" 2>/dev/null) in
  *__[atm]san_init* | *__ubsan*)
    build=$scratch/build
    mkdir "$build" && cd "$build" || exit 99
    { "$top_srcdir/configure" CFLAGS='-O1 -g' && make -j2; } >"$scratch/build.log" 2>&1 ||
      bail "it does not build: $(tail -n 3 "$scratch/build.log")"
    QIMPORT=$build/.libs/qimport LD_LIBRARY_PATH=$build/.libs ;;
esac
loop=
trap '[ -z "$loop" ] || losetup -d "$loop" 2>/dev/null; finish' EXIT

# What a thread that waits for signals still has at the end is possibly lost to valgrind.
valgrind="valgrind -q --error-exitcode=98 --leak-check=full --show-leak-kinds=definite,indirect
  --errors-for-leak-kinds=definite,indirect --num-callers=30"
under () { # STATUS WHAT COMMAND...
  status=$1 what=$2
  shift 2
  run $valgrind "$QIMPORT" "$@"
  exits "$status" "$what: it ends with $status, and there is no report"
}
interrupted () { # WHAT TARGET OPTIONS...: SIGINT when something is committed
  what=$1 target=$2
  shift 2
  $valgrind "$QIMPORT" start -q --commit-interval 0.3 --limit-rate 2M "$@" "$url" "$target" \
    >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  background
  for _ in $(seq 300); do
    [ "$(import_of "$target" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 1000000 ] 2>/dev/null && break
    sleep 0.1
  done
  kill -INT $pid 2>/dev/null
  wait $pid
  rc=$?
  exits 3 "$what: SIGINT ends it with 3, and there is no report"
}

for format in plain deflate zstd; do
  image $format 64K 8
  serve
  disk=$scratch/$format.raw
  interrupted "$format" "$disk" --sha256 "$(sha256sum <"$image" | cut -d' ' -f1)"
  under 0 "$format, resume" resume -q --limit-rate 0 "$disk"
  assert_identical "$disk" "$expected" "$format: the disk is what qemu-img makes of the image"
  under 0 "$format, audit" audit "$disk"
  printf x | dd of="$disk" bs=1 seek=3000000 conv=notrunc 2>"$scratch/out"
  under 8 "$format, audit of a changed disk" audit --json "$disk"
  under 0 "$format, repair" audit --repair "$disk"
done
for command in "status" "status --json" "status $disk --json" "log $disk" "receipt $disk" "map $disk" \
  "map --json $url" "info $url" "report $disk -o $scratch/report.html" "--help"; do
  under 0 "$command" $command
done
under 0 "ensure" ensure "$url" "$disk"
under 0 "forget" forget "$disk"
under 2 "wrong usage" start --connections x "$url" "$scratch/none"
under 4 "a missing image" start -q "$url.none" "$scratch/none"
under 5 "no image" start -q "$expected" "$scratch/none"
under 6 "a target that is there" start -q "$url" "$disk"
head -c 100000 /dev/urandom >"$scratch/noise.db"
under 7 "no journal" status --journal "$scratch/noise.db"

interrupted "a stream" "$scratch/stream" --stream
under 0 "a stream, resume" resume -q --limit-rate 0 "$scratch/stream"
assert_identical "$scratch/stream" "$expected" "a stream: the disk is what qemu-img makes of the image"
$valgrind "$QIMPORT" start -q - "$scratch/pipe" <"$image" >"$scratch/out" 2>"$scratch/err"
rc=$?
exits 0 "a pipe: it ends with 0, and there is no report"
assert_identical "$scratch/pipe" "$expected" "a pipe: the disk is what qemu-img makes of the image"

qemu-img create -q -f qcow2 -b "$image" -F qcow2 "$scratch/top.qcow2" &&
  qemu-io -c 'write -q -P 9 1M 1M' "$scratch/top.qcow2" && qemu-img snapshot -c one "$scratch/top.qcow2" &&
  qemu-io -c 'write -q -P 8 1M 1M' "$scratch/top.qcow2" || bail "cannot make a chain"
under 0 "a chain" start -q --backing "$image" "$scratch/top.qcow2" "$scratch/chain"
under 0 "a snapshot" start -q --snapshot one --backing "$image" "$scratch/top.qcow2" "$scratch/snapshot"

if [ "$(id -u)" = 0 ] && head -c 40M /dev/urandom >"$scratch/back" &&
  loop=$(losetup -f --show "$scratch/back" 2>/dev/null); then
  interrupted "a device" "$loop" --force
  under 0 "a device, resume" resume -q --limit-rate 0 "$loop"
  check "a device: it holds what qemu-img makes of the image" cmp -n "$(size_of "$expected")" "$loop" "$expected"
  under 0 "a device, audit" audit "$loop"
else
  skip "a device" "loop devices need root"
fi
done_testing
