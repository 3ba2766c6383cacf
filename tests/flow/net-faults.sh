#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# net-faults.tsv says what the network and its servers do to us, what must come of it, and which
# test shows it, by the row's name in the points of that test.  Here: it does.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

tests=$top_srcdir/tests
tab=$(printf '\t')
grep -v '^#' "$tests/flow/net-faults.tsv" >"$scratch/rows"
while IFS=$tab read -r row what must where; do
  missing=
  for name in $where; do
    grep -Eqs "[\" ]${row}[:,]" "$tests/flow/$name.sh" || missing="$missing $name"
  done
  is "$missing" "" "$row: $what: $must"
done <"$scratch/rows"
cat "$tests"/flow/net-*.sh | grep -Eo '"[NSCA][0-9]+(, [NSCA][0-9]+)*:' | grep -Eo '[NSCA][0-9]+' | sort -u >"$scratch/used"
cut -f 1 "$scratch/rows" | sort -u >"$scratch/known"
is "$(comm -23 "$scratch/used" "$scratch/known")" "" "no test shows a row that is not there"
done_testing
