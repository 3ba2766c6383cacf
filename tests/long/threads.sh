#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The thread sanitizer finds nothing in the flows that use threads most: a build of its own runs
# them, and whatever it reports, also in a process that is killed, is a failure (P14).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
[ -x "$top_srcdir/configure" ] || skip_all "there is no configure"
build=$scratch/build
mkdir "$build" && cd "$build" || exit 99
{ "$top_srcdir/configure" --enable-sanitize=thread CFLAGS='-O1 -g' && make -j2; } >"$scratch/build.log" 2>&1 ||
  bail "it does not build: $(tail -n 3 "$scratch/build.log")"
mkdir -p "$cache"
ln -s "$cache" "$build/tests-cache"
# It wants its memory where a random layout may have put something else.
plain="setarch $(uname -m) -R"
$plain true 2>/dev/null || plain=

flows="flow/import-identical flow/kill-resume flow/interrupt flow/cli-import flow/streams
  flow/many-imports flow/checksum flow/audit flow/layers flow/restart flow/net-options
  flow/net-network flow/library flow/device-import flow/device-full durability/two-processes"
for test in ${QIMPORT_TEST_FLOWS:-$flows}; do
  rm -f "$scratch"/found.*
  leaks=1
  [ "$test" != flow/net-network ] || leaks=0 # a second Ctrl-C waits for no thread
  $plain env -u ASAN_OPTIONS -u UBSAN_OPTIONS top_srcdir="$top_srcdir" top_builddir="$build" \
    SANITIZE_CFLAGS=-fsanitize=thread LD_LIBRARY_PATH= QIMPORT_TEST_LONG=0 \
    TSAN_OPTIONS="exitcode=98:report_thread_leaks=$leaks:log_path=$scratch/found" \
    sh "$top_srcdir/tests/$test.sh" >"$scratch/tap" 2>&1 </dev/null
  found=$(cat "$scratch"/found.* 2>/dev/null | head -n 60)
  is "$found" "" "$test: no report"
  note "$(grep -c '^ok' "$scratch/tap") points passed, $(grep -c '^not ok' "$scratch/tap") failed"
  grep '^not ok' "$scratch/tap" | sed 's/^/# /'
  grep -q '^1\.\.[1-9]' "$scratch/tap" || not_ok "$test: it ran" "$(tail -n 5 "$scratch/tap")"
done
done_testing
