#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A program that was linked with the library of the last tag runs with this one: abidiff finds
# nothing that was removed or changed, unless the soname changed with it; and where functions were
# added, libtool's version information says so.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
tag=$(git -C "$top_srcdir" describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) ||
  skip_all "there is no tag to compare with"

# Both built alike, and with what abidiff reads.
library () { # NAME: of the tree in $scratch/NAME
  (
    cd "$scratch/$1" && autoreconf -i && mkdir build && cd build &&
      ../configure CFLAGS='-g -O0' --disable-static --with-systemdsystemunitdir=no && make -j2
  ) >"$scratch/$1.log" 2>&1 || bail "the library of $1 cannot be built: $(tail -n 5 "$scratch/$1.log")"
}
mkdir "$scratch/then" "$scratch/now"
git -C "$top_srcdir" archive "$tag" | tar -x -C "$scratch/then"
git -C "$top_srcdir" ls-files -z | tar -C "$top_srcdir" --null -T - -cf - | tar -x -C "$scratch/now"
library then
library now

file_of () { readlink -f "$scratch/$1/build/.libs/libqimport.so"; }
soname_of () { readelf -d "$(file_of "$1")" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }
compare () { # OPTION...
  abidiff --headers-dir1 "$scratch/then/include" --headers-dir2 "$scratch/now/include" "$@" \
    "$(file_of then)" "$(file_of now)" >"$scratch/abidiff" 2>&1
}
note "compared with $tag"
check "the library of $tag is found" [ -n "$(soname_of then)" ]
compare --no-added-syms
rc=$?
if [ $((rc & 1)) != 0 ]; then
  not_ok "abidiff can read them" "$(cat "$scratch/abidiff")"
elif [ "$(soname_of then)" != "$(soname_of now)" ]; then
  ok "the soname changed, so that anything may"
elif [ $rc = 0 ]; then
  ok "nothing was removed or changed since $tag"
else
  not_ok "nothing was removed or changed since $tag" "$(cat "$scratch/abidiff")"
fi
if compare; then
  ok "nothing was added either"
else
  check "what was added shows in LIBQIMPORT_VERSION_INFO" \
    [ "$(basename "$(file_of then)")" != "$(basename "$(file_of now)")" ]
fi
done_testing
