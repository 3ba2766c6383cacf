#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# installed: builds a program with pkg-config against what make install put under $1 (DESTDIR and
# prefix), and runs it and qimport from there.  make installcheck calls it.
set -e
scratch=$(mktemp -d "${TMPDIR:-/tmp}/qimport-installed.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
destdir=$1 libdir=$2 bindir=$3
LD_LIBRARY_PATH=$destdir$libdir
PKG_CONFIG_PATH=$destdir$libdir/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$destdir
QIMPORT_JOURNAL=$scratch/journal.db
export LD_LIBRARY_PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR QIMPORT_JOURNAL

cat >"$scratch/five.c" <<'EOF'
#include <qimport.h>
#include <stdio.h>
int main (void)
{
  return printf ("%s\n", qimport_version ()) < 0;
}
EOF
# Not through libtool, and with the sanitizers of the library if it was built with any.
${CC:-cc} -std=c99 $SANITIZE_CFLAGS $(pkg-config --cflags libqimport) -o "$scratch/five" \
  "$scratch/five.c" $(pkg-config --libs libqimport)
v=$("$scratch/five")
test "$v" = "$(pkg-config --modversion libqimport)"
"$destdir$bindir/qimport" --version | grep -qw "$v"
echo "installed: a program of five lines builds and runs against libqimport $v"
