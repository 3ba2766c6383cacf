#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "latest": ensure over a complete import asks what it is told to ask.  With --checksums another
# digest is refused, with --newer another image is imported again; a file stays whole until then,
# and of a device what is the same is not written.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

site=$scratch/site disk=$scratch/disk
mkdir "$site"
published=1700000000
loop=
trap '[ -z "$loop" ] || losetup -d "$loop"; finish' EXIT
# publish RAW: it is what stands at the URL from now on
publish () {
  qemu-img convert -f raw -O qcow2 "$1" "$site/new" || bail qemu-img
  mv "$site/new" "$site/latest.qcow2"
  published=$((published + 100)) # the server tells them apart by their seconds
  touch -d "@$published" "$site/latest.qcow2"
  (cd "$site" && sha256sum latest.qcow2 >SHA256SUMS && sha512sum latest.qcow2 >SHA512SUMS)
}
head -c 8M /dev/urandom >"$scratch/one"
cp "$scratch/one" "$scratch/two"
head -c 64K /dev/urandom | dd of="$scratch/two" bs=64K seek=77 conv=notrunc status=none
publish "$scratch/one"
serve_start "$scratch/nginx" "$site" || bail "nginx does not start"
url=$serve_url/latest.qcow2
asked () { grep -c "$1" "$serve_log"; }
quiet () { is "$(cat "$scratch/out" "$scratch/err")" "" "$1"; }

# ---- --checksums alone

run qimport ensure -q --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "it is imported"
: >"$serve_log"
run qimport ensure --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "ensure --checksums over it: 0"
quiet "  it is quiet"
is "$(asked SHA256SUMS) $(asked latest)" "1 0" "  the file of checksums was asked for, the image was not"
(cd "$site" && { cat SHA256SUMS; sha512sum latest.qcow2; } >BOTH)
run qimport ensure --checksums "$serve_url/BOTH" "$url" "$disk"
exits 0 "of several algorithms the one that it was hashed with is compared"
run qimport ensure --checksums "$serve_url/SHA512SUMS" "$url" "$disk"
exits 4 "one that it was not hashed with cannot be: 4"
publish "$scratch/two"
run qimport ensure --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 4 "the published digest is another now: 4"
check "  --newer is named" grep -q -- "ensure --newer" "$scratch/err"
assert_identical "$disk" "$scratch/one" "  the disk stays as it is"
run qimport ensure "$url" "$disk"
exits 0 "unasked nothing is looked at: 0"

# ---- --newer

run qimport ensure --newer --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "--newer: 0"
check "  it says so" grep -q "another one now and is imported again" "$scratch/err"
assert_identical "$disk" "$scratch/two" "  the new image is there"
is "$(qimport receipt "$disk" | jq -r '[.verification.image_checksum_checked, .verification.checksum_from] | join (" ")')" \
  "true file" "  checked against what is published"
: >"$serve_log"
run qimport ensure --newer --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "--newer with no newer one: 0"
quiet "  it is quiet"
is "$(asked latest)" 0 "  the image was not asked for"

publish "$scratch/one"
run qimport ensure --newer -q "$url" "$disk"
exits 0 "--newer without checksums: 0"
assert_identical "$disk" "$scratch/one" "  what the server has is another image"
inode=$(stat -c %i "$disk")
run qimport ensure --newer "$url" "$disk"
exits 0 "and once more: 0"
quiet "  it is the same"
is "$(stat -c %i "$disk")" "$inode" "  nothing was done"

# ---- in between

publish "$scratch/two"
run qimport ensure --newer -q --limit-rate 2M --max-time 3 "$url" "$disk"
exits 3 "stopped in the middle: 3"
assert_identical "$disk" "$scratch/one" "  the old disk is whole"
run qimport ensure --newer -q "$url" "$disk"
exits 0 "the same command goes on with it: 0"
assert_identical "$disk" "$scratch/two" "  and the new one takes its name"
publish "$scratch/one"
run qimport ensure --newer -q --limit-rate 2M --max-time 3 "$url" "$disk"
exits 3 "stopped in the middle again: 3"
publish "$scratch/two"
run qimport ensure -q "$url" "$disk"
exits 4 "stopped in the middle of what is not there any more: 4"
run qimport ensure --newer -q "$url" "$disk"
exits 0 "with --newer it is begun again: 0"
assert_identical "$disk" "$scratch/two" "  every byte is the newer one's"
publish "$scratch/one"
run qimport ensure --newer -q --limit-rate 2M --max-time 3 --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
publish "$scratch/two"
run qimport ensure --newer -q --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "so it is where another digest is published: 0"
assert_identical "$disk" "$scratch/two" "  every byte is the newer one's"

# ---- nobody answers

port=$serve_port
serve_stop
run qimport ensure --newer --retry-time 0 "$url" "$disk"
exits 0 "the server does not answer: 0"
check "  with a warning" grep -q "could not be asked" "$scratch/err"
run qimport ensure --newer --retry-time 0 --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 0 "nor the one of the checksums: 0"
run qimport ensure --retry-time 0 --checksums "$serve_url/SHA256SUMS" "$url" "$disk"
exits 3 "without --newer that is no success: 3"
serve_start "$scratch/nginx" "$site" || bail "nginx does not start"
run qimport forget "$disk"
run sh -c 'cat "$1" | "$QIMPORT" ensure -q --force - "$2"' sh "$site/latest.qcow2" "$scratch/piped"
run sh -c '"$QIMPORT" ensure -q --newer - "$1" </dev/null' sh "$scratch/piped"
exits 2 "a pipe cannot be asked: 2"

# ---- a device

written () { awk '{ print int ($7 / 2) }' "/sys/block/${loop#/dev/}/stat"; }
if [ "$(id -u)" = 0 ] && head -c 8M /dev/zero >"$scratch/back" && loop=$(losetup -f --show "$scratch/back" 2>/dev/null); then
  url=$serve_url/latest.qcow2
  run qimport ensure --newer -q "$url" "$loop"
  exits 0 "a device: 0"
  cmp "$loop" "$scratch/two" >/dev/null && ok "  it has the image" || not_ok "  it has the image"
  publish "$scratch/one"
  before=$(written)
  run qimport ensure --newer "$url" "$loop"
  exits 0 "a newer image needs no --force: 0"
  check "  that it is in between is said" grep -q "holds neither" "$scratch/err"
  cmp "$loop" "$scratch/one" >/dev/null && ok "  it has the newer one" || not_ok "  it has the newer one"
  check "  of its 8 MiB it wrote the first, which is blanked before, and what differs" [ $(($(written) - before)) -lt 2560 ]
else
  loop=
  skip "a device" "loop devices need root"
fi
# ---- what the import is, stays

kept=$scratch/kept.qcow2
publish "$scratch/one"
run qimport ensure -q --keep-format "$url" "$kept"
publish "$scratch/two"
run qimport ensure -q --newer "$url" "$kept"
exits 0 "--newer over an image that is kept as it is: 0"
assert_identical "$kept" "$site/latest.qcow2" "  the newer is kept likewise, though nobody said so again"

done_testing
