#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The rooms of src/ keep to the file ROOMS; and the check that says so does see a breach.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

"$top_srcdir/tools/check-rooms" "$top_srcdir" >"$scratch/tap"
sed '/^1\.\./d' "$scratch/tap"
points=$(grep -c '^\(not \)\?ok ' "$scratch/tap")

mkdir "$scratch/tree"
cp -r "$top_srcdir/ROOMS" "$top_srcdir/src" "$scratch/tree"
chmod -R u+w "$scratch/tree"
# sees WHAT ROOM LINE
sees () {
  printf '%s\n' "$3" >"$scratch/tree/src/$2/breach.c"
  "$top_srcdir/tools/check-rooms" "$scratch/tree" >"$scratch/breach"
  check "check-rooms sees $1" grep -q "src/$2/breach.c:" "$scratch/breach"
  rm "$scratch/tree/src/$2/breach.c"
}
sees "a room that includes its neighbour" qcow2 '#include "journal/journal.h"'
sees "the command line program reach behind qimport.h" cli '#include "import/import.h"'
sees "a library in the wrong room" import '#include <sqlite3.h>'
sees "a header in the wrong directory" journal '# include <curl/easy.h>'
sees "a call in the wrong room" source 'static int f (int d) { return /* no */ fdatasync (d); }'

echo '#include "qcow2/two.h"' >"$scratch/tree/src/qcow2/one.c"
echo '#include "qcow2/three.h"' >"$scratch/tree/src/qcow2/two.h"
echo '#include "qcow2/one.h"' >"$scratch/tree/src/qcow2/three.c"
echo '#include "qcow2/qcow2.h"' >"$scratch/tree/src/qcow2/one.h"
"$top_srcdir/tools/check-rooms" "$scratch/tree" >"$scratch/circle"
check "check-rooms sees files that include each other in a circle" \
  grep -qE '^#   qcow2/(one > qcow2/two > qcow2/three > qcow2/one|two > .*|three > .*)$' "$scratch/circle"
echo '#include "base/bytes.h"' >"$scratch/tree/src/qcow2/three.c"
"$top_srcdir/tools/check-rooms" "$scratch/tree" >"$scratch/circle"
check "files in a row are no circle" sh -c '! grep -q "one > " "$1"' - "$scratch/circle"
rm "$scratch/tree/src/qcow2"/one.[ch] "$scratch/tree/src/qcow2/two.h" "$scratch/tree/src/qcow2/three.c"
cp "$scratch/tree/ROOMS" "$scratch/ROOMS"
sed -i 's/^base:/base: cli/' "$scratch/tree/ROOMS"
"$top_srcdir/tools/check-rooms" "$scratch/tree" >"$scratch/circle"
check "check-rooms sees rooms that may include each other" \
  grep -qE '^#   (base > cli > base|cli > base > cli)$' "$scratch/circle"
cp "$scratch/ROOMS" "$scratch/tree/ROOMS"
mkdir "$scratch/tree/src/attic"
sees "a room that nobody declared" attic 'int x;'

printf '%s\n' '/* pwrite (1) and' 'fdatasync (2) */' 'const char *s = "ftruncate (3)";' \
  >"$scratch/tree/src/source/calm.c"
check "check-rooms passes over comments and strings" \
  sh -c '! "$1" "$2" | grep -q calm' - "$top_srcdir/tools/check-rooms" "$scratch/tree"
done_testing
