#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/FAULTS.md is true: every fault has a row, and every point that a row names is in its test.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
page=$top_srcdir/tests/FAULTS.md

numbers () { seq -f "$1%.0f" "$2"; }
missing=
for id in $(numbers T 25) $(numbers SQ 21) $(numbers P 15) $(numbers W 8) $(numbers X 5) \
  $(numbers R 10) $(numbers D 13) $(numbers O 8); do
  [ "$(grep -c "^| $id |" "$page")" = 1 ] || missing="$missing $id"
done

# FILE WORDS, one a line, of the last column
named=$(mktemp) || exit 99
trap 'rm -f "$named"' EXIT
sed -n 's/^| [A-Z]*[0-9]* |.*| \(`.*\) |$/\1/p' "$page" | sed 's/; `/\n`/g' |
  sed 's/^`\([^`]*\)` /\1 /' >"$named"
wrong='' n=0
while read -r file words; do
  n=$((n + 1))
  found=
  for path in "$top_srcdir/$file" "$top_srcdir"/tests/*/"$file"; do
    [ ! -f "$path" ] || ! grep -qF -e "$words" "$path" || found=1
  done
  [ -n "$found" ] || wrong="$wrong
#   $file: $words"
done <"$named"

point () { if [ -z "$2" ]; then echo "ok $1"; else echo "not ok $1: $2"; fi; }
point "1 - every fault has a row" "$missing"
point "2 - every point that a row names is in its test" "$wrong"
point "3 - there are many of them ($n)" "$([ $n -gt 120 ] || echo "too few")"
echo 1..3
