#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bench: qimport against downloading and converting, on this machine.  See bench/README.md.
#
#     bench/bench.sh [SUBJECT...]    plain, deflate, zstd, tables-first, pipe, sparse, keep, far,
#                                    answers, journal, nbd; default all
#
# From the environment: RUNS (5), MIB (1536) of files in the guest, RATE (0: none) bytes a second
# and connection, WITHOUT a contestant's name, BENCH_DIR (bench-cache of the build directory) on
# the disk to be measured; NBD_DIR (/dev/shm) is where the disk of the NBD server lies.
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

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/run.XXXXXX")
proxy='' server=''
finish () {
  trap - EXIT INT TERM
  [ -z "$server" ] || { kill "$server"; rm -f "$nbd_disk"; }
  [ -z "$proxy" ] || kill "$proxy"
  serve_stop
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

QIMPORT_JOURNAL=$scratch/journal.db
export QIMPORT_JOURNAL
out=$scratch/disk file=$scratch/download
raw=$cache/guest-$mib.raw

python () { script=$1; shift; python3 "$top_srcdir/$script" "$@"; }
die () { echo "bench: $*" >&2; exit 1; }

# ---- The contestants ----------------------------------------------------------------------

plain_curl='curl -sSf -o "$2" "$1" && qemu-img convert -f qcow2 -O raw -W -m 16 "$2" "$3" && sync -d "$3"'
plain_aria='aria2c -q --file-allocation=none -x4 -s4 -k1M -d "${2%/*}" -o "${2##*/}" "$1" &&
  qemu-img convert -f qcow2 -O raw -W -m 16 "$2" "$3" && sync -d "$3"'

# Each contestant leaves the guest in $out, on the disk and not in its cache only.
contestant () {
  limit=0
  case $1 in
    "qimport") set -- "$QIMPORT" start -q "$url" "$out" ;;
    "qimport --digest off") set -- "$QIMPORT" start -q --digest off "$url" "$out" ;;
    "qimport --keep-format") set -- "$QIMPORT" start -q --keep-format "$url" "$out" ;;
    "qimport --keep-format --digest off")
      set -- "$QIMPORT" start -q --keep-format --digest off "$url" "$out" ;;
    "curl, qimport -")
      set -- sh -c 'curl -sSf "$1" | "$2" start -q - "$3"' - "$url" "$QIMPORT" "$out" ;;
    "cat, qimport -") set -- sh -c 'cat "$1" | "$2" start -q - "$3"' - "$image" "$QIMPORT" "$out" ;;
    "cat, qimport - --digest off")
      set -- sh -c 'cat "$1" | "$2" start -q --digest off - "$3"' - "$image" "$QIMPORT" "$out" ;;
    "cat, convert -W")
      set -- sh -c 'cat "$1" >"$2" && qemu-img convert -f qcow2 -O raw -W "$2" "$3" &&
        sync -d "$3"' - "$image" "$file" "$out" ;;
    "curl, convert -W") set -- sh -c "$plain_curl" - "$url" "$file" "$out" ;;
    "curl, convert -W, sha256sum")
      set -- sh -c "$plain_curl"' && sha256sum "$3" >"$2.sum"' - "$url" "$file" "$out" ;;
    "aria2c -x4, convert -W") set -- sh -c "$plain_aria" - "$url" "$file" "$out" ;;
    "convert -W http://")
      limit=60
      set -- sh -c 'qemu-img convert -f qcow2 -O raw -W -m 16 "$1" "$2" && sync -d "$2"' \
        - "$url" "$out" ;;
    "aria2c -x4")
      set -- sh -c 'aria2c -q --file-allocation=none -x4 -s4 -k1M -d "${2%/*}" -o "${2##*/}" "$1" &&
        sync -d "$2"' - "$url" "$out" ;;
    "nbdcopy --flush") set -- sh -c '"$@" && : >"$0"' "$out" nbdcopy --flush "$raw" "$nbd" ;;
    "qimport to NBD") set -- sh -c '"$@" && : >"$0"' "$out" "$QIMPORT" start -q --force "$image" "$nbd" ;;
    "qimport --digest off to NBD")
      set -- sh -c '"$@" && : >"$0"' "$out" "$QIMPORT" start -q --digest off --force "$image" "$nbd" ;;
    "curl") set -- sh -c 'curl -sSf -o "$2" "$1" && sync -d "$2"' - "$url" "$out" ;;
    "import") set -- "$top_builddir/bench/import" "$url" "$out" digest off ;;
    "import, no journal")
      set -- "$top_builddir/bench/import-no-journal" "$url" "$out" digest off ;;
    "floor: the network") set -- curl -sSf -o /dev/null "$url" ;;
    "floor: the disk") set -- dd if="$raw" of="$out" bs=1M conv=sparse,fdatasync status=none ;;
    "floor: decoding") set -- "$top_builddir/bench/decode" "$image" ;;
  esac
  python bench/measure.py run "$results" "$name" "$limit" "$@" >"$scratch/said"
}

clean () { rm -f "$out"* "$file"* "$scratch"/journal.db*; }

# rounds SAME NAME...: the contestants in turn; SAME is a command that says whether the disk of
# their first round is what it should be
rounds () {
  same=$1
  shift
  results=$scratch/results
  rm -f "$results"
  cat "$image" >/dev/null # into the page cache, for everyone
  for run in $(seq "$runs"); do
    for name in "$@"; do
      [ "$(grep -c "\"$name\".*\"hung\": true" "$results" 2>/dev/null)" != 2 ] || continue
      [ "$name" != "${WITHOUT:-}" ] || continue
      sync
      contestant "$name"
      ! grep -q '^hung' "$scratch/said" || rm -f "$out"
      case $run:$name in
        1:floor* | [!1]:* | ??*:*) ;;
        *) [ ! -e "$out" ] || $same || die "$name made another disk" ;;
      esac
      clean
    done
    first=$1
    shift
    set -- "$@" "$first" # so that nobody always comes after the same one
  done
}

table () {
  printf '\n%s\n\n' "$1"
  python bench/measure.py table "$results" "curl, convert -W" "curl, convert -W, sha256sum" "aria2c -x4"
}

mib_of () { echo $(($(stat -c %s "$1") / 1048576)); }

# ---- The subjects -------------------------------------------------------------------------

the_guest () { cmp -s "$out" "$raw"; }

guest_image () {
  image=$cache/guest-$mib-$1.qcow2 url=$serve_url/guest-$mib-$1.qcow2
  case $1 in
    tables-first)
      [ -s "$image" ] || { rm -f "$image.new"
        python bench/tables-first.py "$raw" "$image.new" && mv "$image.new" "$image"; } ;;
    *) guest_qcow2 "$raw" "$image" "$1" 64K ;;
  esac
}

bench_format () {
  guest_image "$1"
  decoding="floor: decoding"
  [ "$1" != plain ] || decoding=
  cat "$raw" >/dev/null
  rounds the_guest "qimport --digest off" "qimport" "curl, convert -W" \
    "curl, convert -W, sha256sum" "aria2c -x4, convert -W" "convert -W http://" \
    "floor: the network" "floor: the disk" ${decoding:+"$decoding"}
  table "$1: image $(mib_of "$image") MiB, disk $(mib_of "$raw") MiB"
}

bench_tables_first () {
  guest_image tables-first
  rounds the_guest "qimport --digest off" "qimport" "curl, qimport -" "curl, convert -W" \
    "curl, convert -W, sha256sum" "floor: the network" "floor: the disk"
  table "tables-first: image $(mib_of "$image") MiB, disk $(mib_of "$raw") MiB"
}

# What a daemon does without qimport: the image is written to a file, and converted from there.
bench_pipe () {
  image=$cache/pipe.qcow2
  if [ ! -s "$image" ]; then
    head -c 2G /dev/urandom >"$scratch/noise"
    python bench/tables-first.py "$scratch/noise" "$image.new"
    rm "$scratch/noise"
    mv "$image.new" "$image"
  fi
  rounds the_pipe "cat, qimport - --digest off" "cat, qimport -" "cat, convert -W"
  table "pipe: image $(mib_of "$image") MiB, tables first"
}
the_pipe () { qemu-img compare -q -f qcow2 -F raw "$image" "$out"; }

# 200,000 clusters scattered over 15 TiB.
scatter="--size $((15 << 40)) --clusters 200000"
the_scatter () { python tests/tools/qcow2-scatter.py --verify $scatter "$out"; }
bench_sparse () {
  image=$cache/scatter.qcow2 url=$serve_url/scatter.qcow2
  [ -s "$image" ] || { python tests/tools/qcow2-scatter.py $scatter "$image.new" &&
    mv "$image.new" "$image"; }
  rounds the_scatter "qimport --digest off" "qimport" "curl, convert -W" "floor: the network"
  table "sparse: image $(mib_of "$image") MiB, disk 15 TiB, 200,000 clusters of it scattered"
}

# The image as it is.
the_image () { cmp -s "$out" "$image"; }
bench_keep () {
  for format in plain deflate; do
    guest_image $format
    rounds the_image "qimport --keep-format --digest off" "qimport --keep-format" "aria2c -x4" "curl" \
      "floor: the network"
    table "keep: image $(mib_of "$image") MiB ($format), as it is"
  done
}

# A link of 50 ms each way and 20 MB/s a connection: what four of them carry is the least time.
bench_far () {
  image=$cache/far.qcow2
  [ -s "$image" ] || { head -c 400M /dev/urandom >"$scratch/noise" &&
    qemu-img convert -f raw -O qcow2 "$scratch/noise" "$image.new" && mv "$image.new" "$image"; }
  qemu-img convert -O raw "$image" "$scratch/noise"
  python3 "$top_srcdir/tests/tools/delay-proxy.py" "$serve_port" >"$scratch/proxy" &
  proxy=$!
  until [ -s "$scratch/proxy" ]; do sleep 0.1; done
  url=http://127.0.0.1:$(cat "$scratch/proxy")/far.qcow2
  rounds the_noise "qimport" "qimport --keep-format" "aria2c -x4" "aria2c -x4, convert -W"
  kill "$proxy"
  proxy=
  rm -f "$scratch/noise"
  table "far: image $(mib_of "$image") MiB over 50 ms each way and 20 MB/s a connection; four connections need $(
    stat -c %s "$image" | awk '{ printf "%.2f", $1 / 8e7 }') s"
}
the_noise () {
  case $name in
    "aria2c -x4" | *--keep-format) the_image ;;
    *) cmp -s "$out" "$scratch/noise" ;;
  esac
}

bench_answers () {
  guest_image zstd
  printf '\nanswers: milliseconds\n\n'
  python bench/answers.py "$QIMPORT" "$scratch" "$runs" "$image" \
    $([ ! -s "$cache/scatter.qcow2" ] || echo "$cache/scatter.qcow2")
}

# Against the same program with no journal in it.  The difference is small: six times the
# rounds.
bench_journal () {
  printf '\njournal: what it costs, --digest off\n\n'
  once=$runs runs=$((6 * runs))
  for format in plain deflate zstd; do
    guest_image $format
    rounds the_guest "import" "import, no journal"
    python bench/measure.py cost "$results" $format "import" "import, no journal"
  done
  runs=$once
}

# The decoded disk from a local file, against the import of its image, to the same server.
the_nbd () { cmp -s "$nbd_disk" "$raw"; }
bench_nbd () {
  nbd="nbd+unix:///?socket=$scratch/nbd.sock" nbd_disk=${NBD_DIR:-/dev/shm}/qimport-bench-$$
  truncate -s "$(stat -c %s "$raw")" "$nbd_disk"
  qemu-nbd --persistent --shared=0 --discard=unmap -f raw -k "$scratch/nbd.sock" "$nbd_disk" &
  server=$!
  until [ -S "$scratch/nbd.sock" ]; do sleep 0.1; done
  for format in plain deflate; do
    guest_image $format
    cat "$raw" >/dev/null
    rounds the_nbd "qimport --digest off to NBD" "qimport to NBD" "nbdcopy --flush"
    printf '\n%s\n\n' "nbd: $format, image $(mib_of "$image") MiB, disk $(mib_of "$raw") MiB"
    python bench/measure.py table "$results" "nbdcopy --flush"
  done
  kill "$server"
  rm -f "$nbd_disk"
  server=
}

# ---- Run ----------------------------------------------------------------------------------

guest_make "$raw" "$mib"
serve_start "$scratch/nginx" "$cache" "$rate"
printf '%s; %s processors, %s\n' "$(date -u +%F)" "$(nproc)" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
[ $# != 0 ] || set -- plain deflate zstd tables-first pipe sparse keep far answers journal nbd
for subject in "$@"; do
  case $subject in
    plain | deflate | zstd) bench_format "$subject" ;;
    tables-first) bench_tables_first ;;
    pipe | sparse | keep | far | answers | journal | nbd) "bench_$subject" ;;
    *) die "no such subject: $subject" ;;
  esac
done
