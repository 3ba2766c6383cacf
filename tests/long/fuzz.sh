#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every fuzz target for QIMPORT_FUZZ_SECONDS (15 minutes each), in a build of its own with clang
# and sanitizers.  What is found is copied to ./found.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

seconds=${QIMPORT_FUZZ_SECONDS:-900}
found=$(pwd)/found
cd "$scratch" || exit 99
"$top_srcdir/configure" CC=clang --enable-fuzz --enable-sanitize CFLAGS='-O2 -g' >log 2>&1 ||
  bail "configure fails: $(tail -n 5 log)"
make -j2 >log 2>&1 || bail "make fails: $(tail -n 5 log)"
for target in $(cd "$top_srcdir/fuzz/corpus" && ls -- *.tar | sed 's/[.]tar$//'); do
  make -s "fuzz/fuzz-$target.smoke" FUZZ_SECONDS="$seconds" >log 2>&1
  rc=$?
  n=$(sed -n 's/^stat::number_of_executed_units: *//p' log)
  if [ $rc = 0 ]; then ok "fuzz-$target: $n executions found nothing"
  else not_ok "fuzz-$target" "$(tail -n 40 log)"; fi
  for f in fuzz/found/"$target"-*; do
    [ -e "$f" ] && mkdir -p "$found" && cp "$f" "$found/"
  done
done
done_testing
