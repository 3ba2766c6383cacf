#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An import over HTTP is, byte for byte, what qemu-img convert makes of the image: stored and
# compressed in both ways, with small, usual and large clusters.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image plain 64K
serve
for format in plain deflate zstd; do
  for cluster in 4K 64K 2M; do
    what="$format with clusters of $cluster"
    image "$format" "$cluster"
    qemu-img convert -f qcow2 -O raw "$image" "$scratch/want"
    run qimport start -q "$url" "$scratch/disk"
    exits 0 "$what: the import ends with 0"
    is "$(cat "$scratch/out" "$scratch/err")" "" "$what: and is silent with --quiet"
    assert_identical "$scratch/disk" "$scratch/want" "$what: the target is what qemu-img makes"
    is "$(import_of "$scratch/disk" '[.state, .virtual_size, .bytes.guest_committed == .bytes.guest_total,
                                      .clusters.committed == .clusters.total, .error] | tostring')" \
       "[\"complete\",$(size_of "$scratch/want"),true,true,null]" "$what: status says complete"
    rm -f "$scratch/disk"
  done
done

image deflate 64K
run qimport start -q "file://$image" "$scratch/disk"
exits 0 "a file:// URL is imported too"
assert_identical "$scratch/disk" "$expected" "and its target is the guest"
rm -f "$scratch/disk"

run qimport start -q "$image" "$scratch/disk"
exits 0 "so is a plain path"
assert_identical "$scratch/disk" "$expected" "and its target is the guest"
rm -f "$scratch/disk"

run qimport start -q "$serve_url/plain/${image##*/}" "$scratch/disk"
exits 0 "a server that knows no ranges is read as a stream"
assert_identical "$scratch/disk" "$expected" "and the target is the guest"
rm -f "$scratch/disk"

run sh -c '"$QIMPORT" start -q - "$1" <"$2"' stream "$scratch/disk" "$image"
exits 0 "so is a pipe on standard input"
assert_identical "$scratch/disk" "$expected" "and the target is the guest"

is "$(find "$scratch" -name '*.qimport-part')" "" "no part file is left"
done_testing
