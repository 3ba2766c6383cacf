#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# No struct of src/ has more than twenty members; and the check that says so does count them.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

"$top_srcdir/tools/check-structs" "$top_srcdir" >"$scratch/tap"
sed '/^1\.\./d' "$scratch/tap"
points=$(grep -c '^\(not \)\?ok ' "$scratch/tap")

mkdir -p "$scratch/tree/src/attic"
ten='int a, b, *c, d[4]; struct x { int y; } e; int (*f) (int g, int h); unsigned i : 3, j : 5; union { int k; } l; char m;'
# says WHAT EXPECTED LINES...: check-structs says EXPECTED of a file of these lines
says () {
  what=$1 expected=$2
  shift 2
  printf '%s\n' "$@" >"$scratch/tree/src/attic/large.h"
  "$top_srcdir/tools/check-structs" "$scratch/tree" >"$scratch/said"
  check "check-structs $what" grep -qF "$expected" "$scratch/said"
}
says "passes twenty members" "20 at most" 'struct s {' "$ten" "$ten" '};'
says "counts twenty-one" "struct s has 21 members" 'struct s {' "$ten" "$ten" 'void *n;' '};'
says "counts them behind a typedef" "struct s has 21 members" 'typedef struct s {' "$ten" "$ten" 'void *n; } s;'
says "counts no comment" "20 at most" '/* it, has; */' 'struct s { /* one, two; */' "$ten" '// int no;' "$ten" '};'
says "counts those of a nested one alone" "struct t has 21 members" \
  'struct s { int a; struct t {' "$ten" "$ten" 'int n;' '} b; };'
says "counts no variables of a function" "0 structs" 'int f (void) {' "$(echo "$ten" | tr -d '{}' | sed 's/struct x int y; e;//; s/union int k; l;//')" '}'
says "lets a row of a table be" "ok 1 -" '/* A row of the table t. */' 'struct s {' "$ten" "$ten" 'int n;' '};'
says "lets only that one be" "struct u has 21 members" \
  '/* A row of the table t. */' 'struct s { int a; };' 'struct u {' "$ten" "$ten" 'int n;' '};'
done_testing
