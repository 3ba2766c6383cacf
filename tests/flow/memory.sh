#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Memory follows neither the virtual size nor the tables nor the clusters: a disk of 15 TiB with
# scattered clusters, and clusters of 512 bytes under an L1 table of 32 MiB, from a server and from
# a pipe, in less than 128 MiB (R3, R4); and as many layers as there may be, with the largest tables,
# in --memory and 64 MiB.  All of it with QIMPORT_TEST_LONG=1.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

scatter=$top_srcdir/tests/tools/qcow2-scatter.py
i=$scratch/i disk=$scratch/disk
most=128
# A sanitizer's shadow is no memory of ours.
[ -z "${SANITIZE_CFLAGS:-}" ] || most=256
ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=8
export ASAN_OPTIONS
truncate -s 15T "$disk" 2>/dev/null || skip_all "the file system holds no file of 15 TiB"
rm "$disk"
serve_start "$scratch/nginx" "$scratch" || bail "nginx does not start"

# peak_of COMMAND...: its exit status, and the peak of its memory in MiB
peak_of () {
  python3 -c '
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(f"{usage.ru_maxrss >> 10}\n")
sys.exit(os.waitstatus_to_exitcode(status) % 256)' "$scratch/peak" "$@" 2>"$scratch/err"
  rc=$?
  peak=$(cat "$scratch/peak")
}

small () { # WHAT
  exits 0 "$1: imported"
  check "$1: $peak MiB, at most $most" [ "$peak" -le $most ]
  check "$1: every cluster is in its place" python3 "$scatter" --verify $options "$disk"
  rm -f "$disk"
  qimport forget "$disk" 2>/dev/null
}

scattered () { # WHAT MOST-REQUESTS OPTIONS OF THE WRITER...
  what=$1 requests=$2
  shift 2
  options=$*
  python3 "$scatter" "$@" "$i" || bail "the writer fails: $*"
  : >"$serve_log"
  peak_of "$QIMPORT" start -q "$serve_url/i" "$disk"
  small "$what, from a server"
  n=$(wc -l <"$serve_log")
  check "$what: $n requests, at most $requests" [ "$n" -le "$requests" ]
  peak_of "$QIMPORT" map --json "$serve_url/i" >"$scratch/map"
  exits 0 "$what: mapped, $(size_of "$scratch/map") bytes"
  check "$what: $peak MiB, at most $most" [ "$peak" -le $most ]
  peak_of "$QIMPORT" start -q - "$disk" <"$i"
  small "$what, from a pipe"
  rm -f "$i"
}

if [ -n "${QIMPORT_TEST_LONG:-}" ]; then
  scattered "15 TiB, 200000 clusters" 4000 --tables 40000
  scattered "15 TiB, 200000 clusters, tables last" 4000 --tables 40000 --layout tables-last
  scattered "512-byte clusters, 4 Mi tables" 40000 --cluster-bits 9 --size 137438953472 \
    --tables 4194304
else
  scattered "15 TiB, 6000 clusters" 400 --tables 2000 --clusters 6000
  scattered "512-byte clusters, an L1 table of 32 MiB" 400 --cluster-bits 9 --size 137438953472 \
    --tables 10000 --clusters 20000 --layout tables-last
fi

# chain CLUSTER-SIZE WRITES: 17 layers of 256 GiB, l0 over l1 ... over l16
chain () {
  cd "$scratch" || exit 99
  rm -f l?*
  for k in $(seq 16 -1 0); do
    qemu-img create -q -f qcow2 -o cluster_size="$1" "l$k" 256G || bail "qemu-img create"
    seq "$2" | awk -v k="$k" '{ print "write -q -P", k + 1, ($1 * 97 + k * 31) % 4096 * 64 "M 4k" }' |
      qemu-io -f qcow2 -t unsafe "l$k" >/dev/null || bail "qemu-io"
    [ "$k" = 16 ] || qemu-img rebase -u -F qcow2 -b "l$((k + 1))" "l$k" || bail "qemu-img rebase"
  done
}

layered () { # WHAT URL-PREFIX MEMORY-IN-MIB
  set -- "$1" "$2" "$3" --memory "${3}M"
  for k in $(seq 16); do set -- "$@" --backing "${2}l$k"; done
  what=$1 from=$2 limit=$(($3 + 64))
  shift 3
  [ $most = 128 ] || limit=256
  peak_of "$QIMPORT" start -q "$@" "${from}l0" "$disk"
  exits 0 "$what: imported"
  check "$what: $peak MiB, at most $limit" [ "$peak" -le $limit ]
  check "$what: as qemu-img reads it" qemu-img compare -q -f raw -F qcow2 "$disk" "$scratch/l0"
  rm -f "$disk"
  qimport forget "$disk" 2>/dev/null
}

if command -v qemu-io >/dev/null; then
  chain 2M 8
  layered "17 layers of 2 MiB clusters" "" 8
  layered "17 layers of 2 MiB clusters, from a server" "$serve_url/" 8
  chain 64K 140
  layered "17 layers of 64 KiB clusters" "" 8
  layered "17 layers of 64 KiB clusters, from a server" "$serve_url/" 16
else
  skip "17 layers" "qemu-io is not installed"
fi
done_testing
