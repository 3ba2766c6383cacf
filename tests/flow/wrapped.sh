#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images that are wrapped as publishers wrap them (xz, gzip, zstd, bzip2): imported from wherever
# they come, refused where they are not whole, and with them what is no image.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K 8
files=$scratch/files disk=$scratch/disk
mkdir "$files"
serve_start "$scratch/nginx" "$files" || bail "nginx does not start"
has () { "$QIMPORT" --version | grep -qw "$1"; }
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk"; }
# left_over: files that no import should leave behind
left_over () { ls "$scratch" "${QIMPORT_JOURNAL%/*}" | grep -e qimport-part -e qimport-fetched; }
# refused FILE SENTENCE PATTERN [OPTION...]: exit 5, the words, and nothing is there
refused () {
  file=$1 sentence=$2 pattern=$3
  shift 3
  run "$QIMPORT" start -q "$@" "$file" "$disk"
  exits 5 "$sentence: exit 5"
  check "$sentence: told" grep -q -- "$pattern" "$scratch/err"
  [ "$(wc -l <"$scratch/err")" = 1 ] || not_ok "$sentence: in one line" "$(cat "$scratch/err")"
  check "$sentence: and there is no disk" [ ! -e "$disk" ]
  fresh
  rm -f "$disk.qimport-part"
  [ -z "$(left_over)" ] || not_ok "$sentence: and nothing is left" "$(left_over)"
}

# ---- what is whole

for tool in xz gzip 'zstd -q' bzip2; do
  name=${tool%% *}
  has "$name" || { skip "$name" "not in this build"; continue; }
  $tool -c <"$image" >"$files/disk.qcow2.$name"
  run "$QIMPORT" start -q "$serve_url/disk.qcow2.$name" "$disk"
  exits 0 "$name: from a server"
  assert_identical "$disk" "$expected" "$name: from a server: the disk is the guest"
  length=$(size_of "$files/disk.qcow2.$name") fetched=$(import_of "$disk" .bytes.fetched)
  check "$name: what is fetched is the file, and no more" \
    [ "$fetched" -ge "$length" -a "$fetched" -le $((length + 20000)) ]
  is "$(left_over)" "" "$name: nothing is left beside the disk"
  check "$name: the receipt tells the wrapper" \
    sh -c '"$QIMPORT" receipt "$1" | jq -e ".image.features | endswith (\" wrapper=$2\")" >/dev/null' - "$disk" "$name"
  fresh
  cp "$files/disk.qcow2.$name" "$files/no-such-suffix"
  run "$QIMPORT" start -q "$files/no-such-suffix" "$disk"
  exits 0 "$name: from a file, whatever its name"
  assert_identical "$disk" "$expected" "$name: from a file: the disk is the guest"
  fresh
  "$QIMPORT" start -q - "$disk" <"$files/no-such-suffix" 2>"$scratch/err"
  rc=$?
  exits 0 "$name: from standard input"
  assert_identical "$disk" "$expected" "$name: from standard input: the disk is the guest"
  fresh
  run "$QIMPORT" start -q "$serve_url/plain/disk.qcow2.$name" "$disk"
  exits 0 "$name: from a server without ranges"
  assert_identical "$disk" "$expected" "$name: without ranges: the disk is the guest"
  fresh
done

zst=$files/disk.qcow2.zstd
sum=$(sha256sum <"$zst" | cut -d' ' -f1)
run "$QIMPORT" start -q --sha256 "$sum" "$serve_url/${zst##*/}" "$disk"
exits 0 "the checksum is of the file at the URL"
is "$(import_of "$disk" .image.sha256)" "$sum" "and status tells it"
fresh
run "$QIMPORT" start -q --sha256 "$(sha256sum <"$image" | cut -d' ' -f1)" "$zst" "$disk"
exits 4 "the checksum of what is in it is not that of the file"
fresh
rm -f "$disk.qimport-part"

run "$QIMPORT" start -q --spool-dir "$files" "$serve_url/${zst##*/}" "$disk"
exits 0 "--spool-dir is another place for what waits"
check "and nothing is left there" [ -z "$(ls "$files" | grep fetched)" ]
fresh

# ---- what is not

head -c 100000 "$zst" >"$files/cut"
refused "$files/cut" "a file that is cut" "ends at byte 100000"
refused "$serve_url/cut" "a file that is cut at the server" "ends at byte 100000"
{ cat "$zst"; echo junk; } >"$files/junk"
refused "$files/junk" "what is followed by something else" "from byte $(size_of "$zst") on"
python3 -c '
import sys
d = bytearray (open (sys.argv[1], "rb").read ())
d[len (d) // 2] ^= 0x40
open (sys.argv[2], "wb").write (d)' "$zst" "$files/spoilt"
refused "$files/spoilt" "a damaged file" "damaged at byte"
head -c $(($(size_of "$image") / 2)) "$image" | zstd -q -c >"$files/short"
refused "$files/short" "an image that is cut within its wrapper" "truncated"
zstd -q -c <"$zst" >"$files/twice"
refused "$files/twice" "a wrapper in a wrapper" "in the zstd file is zstd data"
tar -C "$files" -c cut | tee "$files/tar" | zstd -q -c >"$files/tar.zst"
refused "$files/tar" "an archive" "this is a tar archive"
refused "$files/tar.zst" "an archive in a wrapper" "in the zstd file is a tar archive"
zstd -q -c </dev/null >"$files/empty"
refused "$files/empty" "a wrapper around nothing" "empty"
head -c 100000 "$zst" | "$QIMPORT" start -q - "$disk" 2>"$scratch/err"
rc=$?
exits 3 "a pipe that ends early may have broken"
fresh
rm -f "$disk.qimport-part"

# ---- how much memory

qemu-img convert -O qcow2 -o cluster_size=2M "$expected" "$scratch/large.qcow2"
zstd -q -c <"$scratch/large.qcow2" >"$files/large"
for memory in 24M 64M; do
  run "$QIMPORT" start -q --memory $memory "$files/large" "$disk"
  exits 0 "clusters of 2 MiB in --memory $memory"
  assert_identical "$disk" "$expected" "clusters of 2 MiB in --memory $memory: the disk is the guest"
  fresh
done

cat "$image" | zstd -q -c --long=28 >"$files/long"
refused "$files/long" "a window that is larger than --memory" "--memory 256M"
run "$QIMPORT" start -q --memory 256M "$files/long" "$disk"
exits 0 "and with that it is read"
assert_identical "$disk" "$expected" "and the disk is the guest"
fresh
python3 -c '
import sys
sys.stdout.buffer.write (open (sys.argv[1], "rb").read (4 << 20))
for i in range (300):
    sys.stdout.buffer.write (bytes (1 << 20))' "$image" | zstd -q -c -T2 >"$files/bomb"
refused "$files/bomb" "a bomb" "--max-size" --max-size 64M
done_testing
