#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Raw images that come once, in order: from pipes, from servers without ranges, in a wrapper.  How
# large the disk is, is known at their end, and until then the target grows.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K 8
guest=$expected disk=$scratch/disk part=$scratch/disk.qimport-part files=$scratch/files
mkdir "$files"
serve_start "$scratch/nginx" "$files" || bail "nginx does not start"
has () { "$QIMPORT" --version | grep -qw "$1"; }
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$part"; }
# imported FILE WANT SENTENCE [OPTION...]; FILE - : what is in $stream
imported () {
  from=$1 want=$2 sentence=$3
  shift 3
  fresh
  "$QIMPORT" start -q "$@" "$from" "$disk" >"$scratch/out" 2>"$scratch/err" <"${stream:-/dev/null}"
  rc=$?
  exits 0 "$sentence: exit 0"
  assert_identical "$disk" "$want" "$sentence: the disk is right"
}

# ---- from everywhere

cp "$guest" "$files/disk"
stream=$guest
imported - "$guest" "a pipe" --sha256 "$(sha256sum <"$guest" | cut -d' ' -f1)"
is "$(import_of "$disk" '[.virtual_size, .bytes.guest_total, .bytes.guest_committed] | unique | .[]')" "$(size_of "$guest")" \
  "  status knows how large it is"
run "$QIMPORT" audit -q "$disk"
exits 0 "  an audit finds nothing"
check "  the map is one run" [ "$(qimport map --json "$disk" | jq length)" = 1 ]
imported "$serve_url/plain/disk" "$guest" "a server without ranges"
imported "$serve_url/disk" "$guest" "--stream" --stream
stream=$image
imported - "$image" "a qcow2 image in a pipe that is asked for as raw" --format raw
stream=
for tool in xz gzip 'zstd -q' bzip2; do
  name=${tool%% *}
  has "$name" || { skip "$name" "not in this build"; continue; }
  $tool -c <"$guest" >"$files/raw.$name"
  imported "$serve_url/raw.$name" "$guest" "$name around it" --sha256 "$(sha256sum <"$files/raw.$name" | cut -d' ' -f1)"
  is "$(qimport receipt "$disk" | jq -r .image.features)" "raw wrapper=$name" "  the receipt tells both"
  check "  nothing is left beside the disk" [ -z "$(ls "$scratch" | grep -e '^disk\.')" ]
done

# ---- of every length

head -c 4M /dev/urandom >"$scratch/noise"
for length in 1 512 1000 1048576 2097151 2097152 2097153 3145728 3500001; do
  head -c $length "$scratch/noise" >"$scratch/odd"
  qemu-img convert -q -f raw -O raw "$scratch/odd" "$scratch/odd.padded"
  stream=$scratch/odd
  imported - "$scratch/odd.padded" "a pipe of $length bytes" --format raw
done
head -c 96M /dev/zero >"$files/zeros"
dd if="$guest" of="$files/zeros" bs=1M count=2 conv=notrunc status=none
gzip -c <"$files/zeros" >"$files/zeros.gz"
imported "$serve_url/zeros.gz" "$files/zeros" "a disk of zeros, but for its beginning"
check "  takes little room" [ "$(du -k "$disk" | cut -f1)" -le 4096 ]
imported "$serve_url/zeros.gz" "$files/zeros" "one whose space is reserved first" --preallocate
check "  takes all of its room" [ "$(du -k "$disk" | cut -f1)" -ge 98304 ]
fresh
run "$QIMPORT" start -q --max-size 64M "$serve_url/zeros.gz" "$disk"
exits 5 "a disk that turns out to be larger than --max-size"
check "  is told as that" grep -q -- --max-size "$scratch/err"

# ---- what ends early

head -c 19M "$guest" >"$scratch/cut"
fresh
"$QIMPORT" start -q - "$disk" <"$scratch/cut" 2>"$scratch/err"
rc=$?
exits 3 "a pipe that ends before the disk does, as its partition table has it"
check "  is told" grep -q "partition table" "$scratch/err"
check "  and there is no disk" [ ! -e "$disk" ]
"$QIMPORT" resume -q "$disk" <"$guest" 2>"$scratch/err"
rc=$?
exits 0 "  and goes on with all of it"
assert_identical "$disk" "$guest" "  to the right disk"
stream=$scratch/cut
imported - "$scratch/cut" "unless a checksum says that it is all" --sha256 "$(sha256sum <"$scratch/cut" | cut -d' ' -f1)"
stream=

# ---- kills

# killed PERCENTS SOURCE OPTION...: attempts that are killed when so much of the disk is committed
killed () {
  percents=$1 from=$2
  shift 2
  fresh
  set -- start -q --limit-rate "$rate" --commit-interval 0.2 "$@" "$from" "$disk"
  for percent in $percents; do
    "$QIMPORT" "$@" 2>>"$scratch/err" <"${stream:-/dev/null}" &
    background
    for _ in $(seq 200); do
      [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -ge $(($(size_of "$guest") / 100 * percent)) ] 2>/dev/null && break
      sleep 0.05
    done
    kill_after_ms $! 1
    set -- resume -q "$disk"
  done
}
goes_on () {
  "$QIMPORT" resume -q --limit-rate 0 "$disk" <"${stream:-/dev/null}" 2>"$scratch/err"
  rc=$?
  exits 0 "$1: the last resume ends with 0"
  assert_identical "$disk" "$guest" "$1: the disk is right"
}
rate=8M stream=$guest
killed '10 25 40' -
goes_on "a pipe, killed three times"
killed 15 -
truncate -s +3M "$part"
goes_on "a part file that was larger than the journal knew"
killed 15 -
truncate -s 3M "$part"
run "$QIMPORT" resume -q "$disk"
exits 6 "a part file that was cut is refused"
killed 15 -
"$QIMPORT" resume -q --restart "$disk" <"$scratch/noise" 2>"$scratch/err"
check "another disk for --restart is looked at anew" grep -q "say --format raw" "$scratch/err"
"$QIMPORT" resume -q --limit-rate 0 --restart "$disk" <"$guest" 2>"$scratch/err"
rc=$?
exits 0 "--restart begins anew"
assert_identical "$disk" "$guest" "  and the disk is right"
killed 15 -
"$QIMPORT" resume -q --limit-rate 0 "$disk" <"$files/zeros" 2>"$scratch/err"
rc=$?
exits 4 "other bytes than those that the import began with are refused"
stream=

# ---- devices

if [ "$(id -u)" = 0 ] && truncate -s 40M "$scratch/dev" && loop=$(losetup -f --show "$scratch/dev" 2>/dev/null); then
  disk=$loop
  "$QIMPORT" start -q - "$loop" <"$guest" 2>"$scratch/err"
  rc=$?
  exits 0 "a device that is larger"
  check "  has the disk at its start" cmp -n "$(size_of "$guest")" "$loop" "$guest"
  run "$QIMPORT" audit -q "$loop"
  exits 0 "  an audit finds nothing"
  qimport forget "$loop"
  run "$QIMPORT" start -q --force "$serve_url/zeros.gz" "$loop"
  exits 6 "a device that turns out to be too small"
  check "  is told as that" grep -q "at least as large" "$scratch/err"
  losetup -d "$loop"
  disk=$scratch/disk
else
  skip "a device that is larger" "it needs root and a loop device"
fi
done_testing
