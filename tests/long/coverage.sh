#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Of src/qcow2, which a stranger's bytes go through, its unit tests and the fuzzers' corpora take
# at least 95 of 100 branches, and every function; in a build of its own with clang.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

least=95
cd "$scratch" || exit 99
"$top_srcdir/configure" CC=clang --enable-coverage --enable-fuzz CFLAGS=-O0 >log 2>&1 ||
  bail "configure fails: $(tail -n 5 log)"
units=$(cd "$top_srcdir" && ls tests/unit/t-qcow2-*.c | sed 's/[.]c$//')
fuzzers='fuzz/fuzz-qcow2-decode fuzz/fuzz-qcow2-header fuzz/fuzz-qcow2-map'
# shellcheck disable=SC2086
{ make -j2 && make -j2 $units; } >log 2>&1 || bail "make fails: $(tail -n 5 log)"
objects=
for unit in $units; do
  LLVM_PROFILE_FILE=$scratch/$(basename "$unit").profraw "$unit" >log 2>&1 ||
    bail "$unit fails: $(tail -n 5 log)"
  objects="$objects -object $unit"
done
for fuzzer in $fuzzers; do
  LLVM_PROFILE_FILE=$scratch/$(basename $fuzzer).profraw "$fuzzer" -runs=0 \
    "fuzz/unpacked/${fuzzer#fuzz/fuzz-}" >log 2>&1 ||
    bail "$fuzzer fails: $(tail -n 5 log)"
  objects="$objects -object $fuzzer"
done
llvm-profdata merge -o all ./*.profraw
# shellcheck disable=SC2086
llvm-cov export ${objects# -object } -instr-profile all "$top_srcdir"/src/qcow2/*.c >json ||
  bail "llvm-cov fails"
jq -r '.data[0].files[] | (.filename | split ("/") | last) as $file | .branches[] |
  select (.[4] == 0 or .[5] == 0) |
  "\($file):\(.[0]):\(.[1]) is never \(if .[4] == 0 then "true" else "false" end)"' json |
  sed 's/^/# /'
percent=$(jq '.data[0].totals.branches.percent' json)
note "branches: $(jq -c '.data[0].totals.branches' json)"
is "$(jq '.data[0].files | length' json)" "$(ls "$top_srcdir"/src/qcow2/*.c | wc -l)" \
  "every file of the room is in the count"
check "$percent of 100 branches are taken, at least $least" \
  [ "$(jq ".data[0].totals.branches.percent >= $least" json)" = true ]
is "$(jq '.data[0].totals.functions | .count - .covered' json)" 0 "and every function"
done_testing
