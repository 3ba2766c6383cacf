#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An import over HTTP is, byte for byte, what qemu-img convert makes of the image: stored and
# compressed in both ways, with small, usual and large clusters; onto every kind of target.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/targets.sh"

kind_word () { case $1 in nbd*) echo nbd ;; *) echo "$1" ;; esac; }
is_complete () { # SIZE SENTENCE
  is "$(import_of "$disk" '[.state, .target_kind, .virtual_size,
      .bytes.guest_committed == .bytes.guest_total, .clusters.committed == .clusters.total,
      .error] | tostring')" \
    "[\"complete\",\"$(kind_word "$target_kind")\",$1,true,true,null]" "$2"
}

image plain 64K
serve
combinations='plain,4K plain,64K plain,2M deflate,4K deflate,64K deflate,2M zstd,4K zstd,64K zstd,2M'
for kind in $(kinds); do
  for combination in $combinations; do
    format=${combination%,*} cluster=${combination#*,}
    what="$kind: $format with clusters of $cluster"
    image "$format" "$cluster"
    [ "$kind" = file ] && qemu-img convert -f qcow2 -O raw "$image" "$scratch/want-$format-$cluster"
    want=$scratch/want-$format-$cluster
    target "$kind" "$(size_of "$want")"
    run qimport start -q "$url" "$disk"
    exits 0 "$what: the import ends with 0"
    is "$(cat "$scratch/out" "$scratch/err")" "" "$what: and is silent with --quiet"
    holds "$want" "$what: the target is what qemu-img makes"
    is_complete "$(size_of "$want")" "$what: status says complete"
    rm -f "$QIMPORT_JOURNAL"*
  done
  combinations='plain,2M deflate,4K zstd,64K' # the others differ before the target

  image deflate 64K
  target "$kind"
  run qimport start -q "file://$image" "$disk"
  exits 0 "$kind: a file:// URL is imported too"
  holds "$expected" "$kind: and its target is the guest"

  target "$kind"
  run qimport start -q "$image" "$disk"
  exits 0 "$kind: so is a plain path"
  holds "$expected" "$kind: and its target is the guest"

  target "$kind"
  run qimport start -q "$serve_url/plain/${image##*/}" "$disk"
  exits 0 "$kind: a server that knows no ranges is read as a stream"
  holds "$expected" "$kind: and the target is the guest"

  target "$kind"
  run sh -c '"$QIMPORT" start -q - "$1" <"$2"' stream "$disk" "$image"
  exits 0 "$kind: so is a pipe on standard input"
  holds "$expected" "$kind: and the target is the guest"

  target "$kind"
  run qimport start -q --verify "$url" "$disk"
  exits 0 "$kind: with --verify it ends well"
  run qimport audit -q "$disk"
  exits 0 "$kind: and audit finds it as it was imported"
  run qimport start -q "$url" "$disk"
  exits 6 "$kind: what holds data is not overwritten"
  run qimport start -q --force "$url" "$disk"
  exits 0 "$kind: but with --force"
  run qimport ensure -q "$url" "$disk"
  exits 0 "$kind: ensure finds it there"
  run qimport ensure -q --newer "$url" "$disk"
  exits 0 "$kind: and nothing newer"
  holds "$expected" "$kind: and the target is the guest"
done

is "$(find "$scratch" -name '*.qimport-part')" "" "no part file is left"
done_testing
