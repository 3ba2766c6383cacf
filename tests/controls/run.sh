#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Negative controls: builds of the program, each with one bug of the kind that costs data and
# that nobody notices until the power fails.  Each must make the test named beside it fail, at the
# point named there; a control that passes is a defect of that test.  In make check the objects of
# the build are used but for those that have the bug; with QIMPORT_TEST_LONG=1 each is a build of
# its own, by configure --with-seeded-bug=NAME.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${top_builddir:=$(pwd)}"
export top_srcdir top_builddir
scratch=$(mktemp -d "${TMPDIR:-/tmp}/qimport-controls.XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM

# NAME TEST, and the point of it that must fail
cat >"$scratch/controls" <<'EOT'
no-fdatasync order.sh each commit follows a sync of the target of its own
no-fdatasync power-loss.sh of a disk apart from its journal
no-fdatasync power-loss.sh states of a device
nbd-commit-without-flush nbd-power.sh the disk is right
nbd-flush-before-answers nbd-power.sh the disk is right
commit-before-sync order.sh each commit follows a sync of the target of its own
no-directory-sync order.sh the directory is synced after the rename
complete-normal order.sh the journal is synced after its last commit
fsync-retried sync-fails.sh the import ends with 6
no-lock two-processes.sh a second resume is refused with 7
marker-not-checked ownership.sh an import whose target carries the marker of another is not resumed
epoch-after-sync order.sh the marker of each commit is synced with what it stands for
row-taken-without-lock namespaces.sh a resume while the map is read from another PID namespace is refused
option-table-ignored options-define.sh ensured with '--snapshot b' is refused
mirror-vetted-by-64k net-twins.sh every byte is right
unsigned-lines-count signed.sh not even where no signature is asked for: 0
expired-key-counts signed.sh an expired key: 4
credentials-everywhere net-origins.sh and got nothing
gpt-unrecorded fix-gpt.sh sectors of 4096: killed
weak-tag-trusted net-twins.sh C11: two clusters exchanged, etag,weak+if-range-ignored: 4
EOT

build () { # sets $program
  if [ "${QIMPORT_TEST_LONG:-0}" = 1 ]; then
    mkdir -p "$scratch/$1" && cd "$scratch/$1" &&
      "$top_srcdir/configure" --cache-file="$scratch/cache" --with-seeded-bug="$1" CFLAGS=-O0 &&
      make -j2 && program=$scratch/$1/.libs/qimport
  else
    program=$top_builddir/tests/controls/$1/qimport
    ${MAKE:-make} -C "$top_builddir" control-build CONTROL="$1"
  fi >"$scratch/build.log" 2>&1
  [ -x "$program" ] || { cd / && tail -n 5 "$scratch/build.log" | sed 's/^/# /'; return 1; }
  cd /
}

points=0
while read -r name test point; do
  [ -n "$name" ] || continue
  points=$((points + 1))
  said="$points - control $name is caught by $test"
  if ! build "$name"; then
    echo "not ok $said: it does not build"
    continue
  fi
  libs=$top_builddir/.libs
  [ "${QIMPORT_TEST_LONG:-0}" = 0 ] || libs=$scratch/$name/.libs
  case $point in *device*) states="0 0 20" ;; *) states="0 20 0" ;; esac
  LD_LIBRARY_PATH=$libs QIMPORT_TEST_LONG=0 QIMPORT_TEST_PROGRAM=$program \
    QIMPORT_TEST_STATES=$states QIMPORT_TEST_CUTS=100 top_builddir=${libs%/.libs} \
    sh "$(ls "$top_srcdir"/tests/durability/"$test" "$top_srcdir"/tests/flow/"$test" 2>/dev/null)" >"$scratch/tap" 2>&1 </dev/null
  if grep -q '^1\.\.0 # SKIP' "$scratch/tap"; then
    echo "ok $said # SKIP $(sed -n 's/^1\.\.0 # SKIP //p' "$scratch/tap")"
  elif grep '^not ok ' "$scratch/tap" | grep -qF "$point"; then
    echo "ok $said"
  else
    echo "not ok $said"
    sed 's/^/# /' "$scratch/tap"
  fi
done <"$scratch/controls"
echo "1..$points"
