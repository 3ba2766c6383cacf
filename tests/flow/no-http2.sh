#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A libcurl that was built without HTTP/2, as those of small systems are, is enough.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

shim=$scratch/no-http2.so
${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$shim" "$top_srcdir/tests/tools/no-http2.c" -ldl ||
  bail "cannot compile the shim"
ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
image deflate 64K
serve
run env LD_PRELOAD="$shim" "$QIMPORT" start "$url" "$scratch/disk.img"
exits 0 "an image is imported without HTTP/2"
assert_identical "$scratch/disk.img" "$expected" "and the disk is right"
run env LD_PRELOAD="$shim" "$QIMPORT" info "$url"
exits 0 "and info tells what it is"
done_testing
