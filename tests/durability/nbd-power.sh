#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The power of an NBD server fails at a request of chance, and a random part of what was not
# flushed is lost.  Either it comes back and the import goes on, or the import dies with it and is
# resumed: the disk is right in the end.  300 cuts; QIMPORT_TEST_LONG=1: 5,000.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
"$QIMPORT" --version | grep -q "no NBD" && skip_all "this build has no NBD"

say_seed
cuts=300
[ "${QIMPORT_TEST_LONG:-0}" = 0 ] || cuts=5000
[ -z "${QIMPORT_TEST_CUTS:-}" ] || cuts=$QIMPORT_TEST_CUTS

# A small disk: noise, holes, and noise at its beginning, which is held back.
dd if=/dev/urandom of="$scratch/guest" bs=64K count=40 status=none
dd if=/dev/urandom of="$scratch/guest" bs=64K count=30 seek=60 status=none
truncate -s 8M "$scratch/guest"
qemu-img convert -c -O qcow2 -o cluster_size=16K "$scratch/guest" "$scratch/image" || bail "qemu-img convert"

run python3 -IS "$top_srcdir/tests/tools/nbd-power.py" --program "$QIMPORT" --image "$scratch/image" \
  --guest "$scratch/guest" --room "$scratch" --cuts "$cuts" --seed "$seed"
note "$(tail -n 1 "$scratch/out")"
if [ $rc = 0 ]; then
  ok "after $cuts cuts, over which the import goes on or with which it dies, the disk is right"
else
  not_ok "after $cuts cuts the disk is right" "$(head -n 20 "$scratch/out")" "$(tail -n 5 "$scratch/err")"
fi
done_testing
