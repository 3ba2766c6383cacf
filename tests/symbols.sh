#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What libqimport.so exports is what include/qimport.h declares, and nothing else.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

so=$top_builddir/.libs/libqimport.so
[ -e "$so" ] || skip_all "there is no shared library in this build"
nm -D --defined-only "$so" | awk '$2 != "A" { sub (/@.*/, "", $3); print $3 }' |
  grep -v '^\(__\(asan\|ubsan\|odr_asan\|start\|stop\)\|_\(init\|fini\|edata\|end\)$\|__bss_start\)' |
  sort -u >"$scratch/exported"
${CC:-cc} -E -P "$top_srcdir/include/qimport.h" | tr '\n' ' ' |
  grep -o '\bqimport_[a-z0-9_]* (' | tr -d ' (' | sort -u >"$scratch/declared"

check "the header declares functions" [ "$(wc -l <"$scratch/declared")" -gt 20 ]
is "$(grep -v '^qimport_' "$scratch/exported")" "" "every exported symbol begins with qimport_"
is "$(comm -23 "$scratch/exported" "$scratch/declared")" "" "every exported symbol is declared in qimport.h"
is "$(comm -13 "$scratch/exported" "$scratch/declared")" "" "every function of qimport.h is exported"
is "$(nm -D --undefined-only "$so" | awk '{ sub (/@.*/, "", $NF); print $NF }' |
      grep -x 'exit\|_exit\|printf\|puts\|putchar\|perror\|signal\|sigaction')" "" \
   "the library neither prints, exits nor takes signals"
is "$(nm -D --defined-only "$so" | awk '$2 ~ /[BDCG]/ { print $3 }' | grep -v '^__\|^_[ef]')" "" \
   "the library exports no variable"
sed -n 's/^ \(qimport_[a-z_]*\)@.*/\1/p' "$top_srcdir/packaging/debian/libqimport0.symbols" | sort >"$scratch/packaged"
is "$(diff "$scratch/declared" "$scratch/packaged")" "" "the Debian package's list of symbols is that of qimport.h"
done_testing
