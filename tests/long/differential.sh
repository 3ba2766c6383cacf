#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sound images, damaged at random, from a path and from a pipe, held against qemu-img: never
# another result when both accept, never a crash, a hang or more than 256 MiB.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

say_seed
images=${QIMPORT_TEST_IMAGES:-4000}
most=256
# A sanitizer's shadow is no memory of ours.
[ -z "${SANITIZE_CFLAGS:-}" ] || most=1024
cd "$scratch" || exit 99
python3 "$top_srcdir/tests/tools/differential.py" "$QIMPORT" --images "$images" --seed "$seed" \
  --peak $most >said 2>&1
rc=$?
sed 's/^/# /' said
is $rc 0 "$images damaged images: qimport and qemu-img agree"
done_testing
