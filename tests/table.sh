#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/TESTS is whole: every script that prints a plan has a row, every row a script and a suite;
# and so is the list of unit tests.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
cd "$top_srcdir" || exit 99
rows=$(grep -v '^#' tests/TESTS)

point () { if [ -z "$2" ]; then echo "ok $1"; else echo "not ok $1: $2"; fi; }
without=$(grep -lE "^done_testing$|^echo \"?1\.\.|printf '1\.\.|print \"1\.\." $(find tests -name '*.sh') |
  while read -r file; do echo "$rows" | grep -q "^$file " || echo "$file"; done)
point "1 - every script that prints a plan has a row" "$without"
point "2 - every row has a script" \
  "$(echo "$rows" | while read -r file rest; do [ -s "$file" ] || echo "$file"; done)"
point "3 - and a suite that there is" \
  "$(echo "$rows" | awk '$2 !~ /^(quick|both|durability|long)$/ { print $1 }')"
point "4 - no script has two rows" "$(echo "$rows" | awk 'seen[$1]++ { print $1 }')"
point "5 - every unit test is in the list of tests/unit/local.mk" "$(for file in tests/unit/t-*.c; do
  grep -qx "unit_tests += ${file%.c}" tests/unit/local.mk || echo "$file"; done)"
echo 1..5
