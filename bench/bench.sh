#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bench: qimport against downloading and converting, on this machine.  See bench/README.md.
#
#     bench/bench.sh [FORMAT...]     plain, deflate, zstd; default all three
#
# From the environment: RUNS (5), MIB (1536) of files in the guest, RATE (0: none) bytes a second
# and connection, BENCH_DIR (bench-cache of the build directory) on the disk to be measured.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=$(pwd)}"
. "$top_srcdir/tests/flow/serve.sh"
. "$top_srcdir/tests/flow/guest.sh"
runs=${RUNS:-5} mib=${MIB:-1536} rate=${RATE:-0}
cache=${BENCH_DIR:-$top_builddir/bench-cache}
QIMPORT=$top_builddir/.libs/qimport
[ -x "$QIMPORT" ] || QIMPORT=$top_builddir/qimport
LD_LIBRARY_PATH=$top_builddir/.libs
export LD_LIBRARY_PATH
measure="python3 $top_srcdir/bench/measure.py"

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/run.XXXXXX")
finish () { trap - EXIT INT TERM; serve_stop; rm -rf "$scratch"; }
trap finish EXIT
trap 'exit 130' INT TERM

raw=$cache/guest-$mib.raw
echo "corpus: $mib MiB of files of this machine, 64 KiB clusters" >&2
guest_make "$raw" "$mib"
[ $# != 0 ] || set -- plain deflate zstd
for f in "$@"; do guest_qcow2 "$raw" "$cache/guest-$mib-$f.qcow2" "$f" 64K; done
serve_start "$scratch/nginx" "$cache" "$rate"

# Each contestant leaves the guest in $out, on the disk and not in its cache only.
out=$scratch/disk file=$scratch/download
contestant () {
  case $1 in
    "qimport") set -- "$QIMPORT" start -q "$url" "$out" ;;
    "qimport --digest off") set -- "$QIMPORT" start -q --digest off "$url" "$out" ;;
    "curl, convert -W -m 16")
      set -- sh -c 'curl -sSf -o "$2" "$1" && qemu-img convert -f qcow2 -O raw -W -m 16 "$2" "$3" && sync -d "$3"' \
        - "$url" "$file" "$out" ;;
    "curl, convert")
      set -- sh -c 'curl -sSf -o "$2" "$1" && qemu-img convert -f qcow2 -O raw "$2" "$3" && sync -d "$3"' \
        - "$url" "$file" "$out" ;;
    "aria2c -x4, convert -W")
      set -- sh -c 'aria2c -q --file-allocation=none -x4 -s4 -k1M -d "${2%/*}" -o "${2##*/}" "$1" &&
        qemu-img convert -f qcow2 -O raw -W -m 16 "$2" "$3" && sync -d "$3"' \
        - "$url" "$file" "$out" ;;
    "floor: the network") set -- curl -sSf -o /dev/null "$url" ;;
    "floor: the disk") set -- dd if="$raw" of="$out" bs=1M conv=sparse,fdatasync status=none ;;
  esac
  $measure run "$results" "$name" "$@"
}

for f in "$@"; do
  image=$cache/guest-$mib-$f.qcow2
  url=$serve_url/${image##*/}
  results=$scratch/results-$f
  cat "$image" "$raw" >/dev/null # into the page cache, for everyone
  for run in $(seq "$runs"); do
    for name in "qimport" "qimport --digest off" "curl, convert -W -m 16" "curl, convert" \
                "aria2c -x4, convert -W" "floor: the network" "floor: the disk"; do
      QIMPORT_JOURNAL=$scratch/journal.db
      export QIMPORT_JOURNAL
      sync
      contestant "$name"
      case $run$name in
        1floor* | [!1]*) ;;
        *) cmp "$out" "$raw" || { echo "bench: $name made another disk" >&2; exit 1; } ;;
      esac
      rm -f "$out" "$out".qimport-part "$file" "$scratch"/journal.db*
    done
  done
  printf '\n%s: image %s MiB, disk %s MiB, %s processors\n' "$f" \
    $(($(stat -c %s "$image") / 1048576)) $(($(stat -c %s "$raw") / 1048576)) "$(nproc)"
  $measure table "$results" "curl, convert -W -m 16"
done
