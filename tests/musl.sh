#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All of src/ compiles with musl's headers; and what is done there in another way than with glibc
# does the same: a program is linked with musl, and run.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

"$top_srcdir/tools/check-musl" "$top_builddir" >"$scratch/said"
is "$(grep -v '^ok\|^1\.\.' "$scratch/said")" "" "every room compiles for musl"
check "there are rooms" [ "$(grep -c '^ok' "$scratch/said")" -ge 14 ]

mkdir "$scratch/include"
for name in linux asm-generic "$(gcc -print-multiarch)/asm"; do
  [ ! -e "/usr/include/$name" ] || ln -s "/usr/include/$name" "$scratch/include/"
done
cat >"$scratch/same.c" <<'EOF_C'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/kernel.h"

int
main (int argc, char **argv)
{
  char words[128];
  struct error err;
  unsigned major_no, minor_no;

  (void)argc;
  printf ("%s\n", errno_words (ENOENT, words, sizeof words));
  fail_errno (&err, ERR_USAGE, EACCES, "%s", "a file");
  printf ("%s\n", err.text);
  printf ("%d ", rename_no_replace (AT_FDCWD, argv[1], AT_FDCWD, argv[2]));
  printf ("%d ", rename_no_replace (AT_FDCWD, argv[2], AT_FDCWD, argv[3]));
  printf ("%d\n", errno == EEXIST);
  refresh_attributes (argv[2]);
  printf ("%d\n", block_device_at (AT_FDCWD, argv[2], &major_no, &minor_no));
  return 0;
}
EOF_C
same () { # CC
  "$@" -std=gnu11 -include "$top_builddir/config.h" -I"$top_srcdir/src" \
    -o "$scratch/same" "$scratch/same.c" "$top_srcdir"/src/base/error.c "$top_srcdir"/src/base/kernel.c \
    -idirafter "$scratch/include" 2>"$scratch/cc.err" || { cat "$scratch/cc.err"; return; }
  rm -f "$scratch/b"
  touch "$scratch/a" "$scratch/c"
  "$scratch/same" "$scratch/a" "$scratch/b" "$scratch/c"
}
same musl-gcc -static >"$scratch/musl"
same gcc >"$scratch/glibc"
is "$(cat "$scratch/glibc")" "No such file or directory
a file: Permission denied
0 -1 1
0" "with glibc errors have their words, and nothing is renamed over what is there"
is "$(cat "$scratch/musl")" "$(cat "$scratch/glibc")" "with musl it is the same"
done_testing
