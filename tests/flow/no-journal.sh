#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The peer that the journal's cost is measured against (bench/no-journal.c) does the same work:
# the same disks from the same images, with and without digests, and no journal.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

disk=$scratch/disk

makes () { # PROGRAM
  what="$1, $format, digest $digest"
  run "$top_builddir/bench/$1" "$url" "$disk" digest $digest
  is "$rc" 0 "$what: imported"
  [ "$rc" = 0 ] || note "$(cat "$scratch/err")"
  assert_identical "$disk" "$expected" "$what: the disk is what qemu-img makes"
  rm -f "$disk"
}

for format in plain deflate zstd; do
  image $format 64K
  serve
  for digest in off on; do
    rm -f "$QIMPORT_JOURNAL"
    makes import-no-journal
    check "$what: no journal was made" [ ! -e "$QIMPORT_JOURNAL" ]
    makes import
    check "$what: a journal was made" [ -s "$QIMPORT_JOURNAL" ]
  done
done

run "$top_builddir/bench/import-no-journal" "$url"
is "$rc" 1 "without a target it says how it is used"
done_testing
