#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# include/qimport.h stands alone, in C99, C11 and C++.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

printf '#include <qimport.h>\nint main (void) { return qimport_version () == 0; }\n' >"$scratch/alone.c"
cp "$scratch/alone.c" "$scratch/alone.cc"
for std in c99 c11; do
  check "qimport.h compiles alone as $std" ${CC:-cc} -std=$std -pedantic-errors -Wall -Wextra -Werror \
    -I"$top_srcdir/include" -c -o "$scratch/alone.o" "$scratch/alone.c"
done
cxx=$(command -v "${CXX:-c++}" || command -v g++ || command -v clang++)
if [ -n "$cxx" ]; then
  check "qimport.h compiles alone as C++" "$cxx" -std=c++11 -pedantic-errors -Wall -Wextra -Werror \
    -I"$top_srcdir/include" -c -o "$scratch/alone.o" "$scratch/alone.cc"
else
  skip "qimport.h compiles alone as C++" "no C++ compiler"
fi
printf '#include <qimport.h>\n#include <qimport.h>\n' >"$scratch/twice.c"
check "qimport.h may be included twice" ${CC:-cc} -I"$top_srcdir/include" -c -o "$scratch/twice.o" "$scratch/twice.c"
done_testing
