#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libqimport as a program of its own meets it: the examples of doc/examples are built as their
# heads say and do what they say; threads of one process import side by side and cancel each
# other; and nothing is ever printed.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

so=$top_builddir/.libs/libqimport.so
[ -e "$so" ] || skip_all "there is no shared library in this build"
# SANITIZE_CFLAGS is set by make check where the library was built with sanitizers.
build () { # NAME SOURCE [FLAG...]
  name=$1 source=$2
  shift 2
  # shellcheck disable=SC2086
  ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -g ${SANITIZE_CFLAGS:-} -I"$top_srcdir/include" "$@" \
    -o "$scratch/$name" "$source" -L"$top_builddir/.libs" -lqimport 2>"$scratch/cc.err"
}
for name in import-with-progress resume-everything list-imports; do
  if build $name "$top_srcdir/doc/examples/$name.c"; then
    ok "$name.c builds without a warning"
  else
    not_ok "$name.c builds without a warning" "$(cat "$scratch/cc.err")"
  fi
done
build library "$top_srcdir/tests/tools/library.c" -pthread || bail "$(cat "$scratch/cc.err")"

image deflate 64K
serve

# ---- the examples

run "$scratch/list-imports"
is "$rc:$(cat "$scratch/out" "$scratch/err")" 0: "list-imports: no journal is no failure"
check "and reading makes none" [ ! -e "$QIMPORT_JOURNAL" ]
serve 300000
run "$scratch/import-with-progress" "$url" "$scratch/a.img"
exits 0 "import-with-progress imports"
assert_identical "$scratch/a.img" "$expected" "and the disk is right"
check "and tells how far it is" grep -q "^[a-z]*: [1-9][0-9]* of [0-9]* bytes are safe" "$scratch/out"
run "$scratch/import-with-progress" "$url" "$scratch/a.img"
exits 0 "a second run finds nothing to do"
run "$scratch/import-with-progress" "$serve_url/none" "$scratch/b.img"
exits 4 "what is not there ends with the contract's status"
check "and the code's word" grep -q '^source-not-found: ' "$scratch/err"

serve
for n in 1 2; do
  qimport start -q --limit-rate 4M --max-time 1 "$url" "$scratch/r$n.img" 2>/dev/null
done
is "$("$scratch/list-imports" | awk '{ print $2 }' | sort | uniq -c | tr -s ' \n' ' ')" \
  " 1 complete 2 interrupted " "list-imports lists every import with its state"
# At 4 MB/s the rest takes seconds; the options of the start hold.
run "$scratch/resume-everything"
exits 0 "resume-everything goes on with what was interrupted"
is "$(grep -c ': complete$' "$scratch/out")" 2 "with both"
assert_identical "$scratch/r1.img" "$expected" "the first is right"
assert_identical "$scratch/r2.img" "$expected" "and the second"

# ---- threads

rm -f "$QIMPORT_JOURNAL"*
mkdir "$scratch/many"
run "$scratch/library" side-by-side "$url" "$scratch/many" 6
exits 0 "six threads of one process import over one journal handle"
is "$(cat "$scratch/out" "$scratch/err")" "" "and nothing is printed"
bad=
for n in 0 1 2 3 4 5; do
  cmp -s "$scratch/many/$n.img" "$expected" || bad="$bad $n"
done
is "$bad" "" "all six disks are right"

run "$scratch/library" cancel "$url" "$scratch/c.img"
exits 3 "qimport_cancel of another thread ends the step within two seconds, and for good"
is "$(cat "$scratch/out" "$scratch/err")" "" "without a word"
is "$(import_of "$scratch/c.img" .state)" interrupted "the import is interrupted"
check "with something committed" [ "$(import_of "$scratch/c.img" .bytes.guest_committed)" -gt 0 ]
run "$scratch/resume-everything"
assert_identical "$scratch/c.img" "$expected" "another program goes on with it"

mkdir "$scratch/none"
run "$scratch/library" side-by-side http://127.0.0.1:1/none "$scratch/none" 3
exits 3 "three threads fail"
is "$(cat "$scratch/out" "$scratch/err")" "" "without a word"
run "$scratch/library" misuse
exits 0 "wrong calls fail and fill in why"
is "$(cat "$scratch/out" "$scratch/err")" "" "which is never printed"

done_testing
