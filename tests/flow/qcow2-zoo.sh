#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A zoo of images, by qemu-img and by a writer that knows nothing of our code, read by the qcow2
# room alone: every one must come out as qemu-img convert makes it.
set -eu

writer=$top_srcdir/tests/tools/qcow2-writer.py
decode=$top_builddir/tests/tools/qcow2-decode
for tool in qemu-img qemu-io zstd python3; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not here"; exit 0; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
n=0

result () { # STATUS NAME
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# NAME: image i, and what a program said it must read as in raw, are as qemu-img and as we see them
same_everywhere () {
  rm -f ours qemus
  { qemu-img convert -f qcow2 -O raw i qemus && cmp raw qemus && "$decode" i ours \
      && cmp raw ours; } >said 2>&1 && rc=0 || rc=1
  sed 's/^/# /' said
  result $rc "$1"
}

written () { # WRITER'S OPTIONS
  rm -f i raw
  python3 "$writer" "$@" i raw
  case " $* " in
  *" --cut "*) ;;
  *) qemu-img check -q i || { result 1 "$* (qemu-img check)"; return; } ;;
  esac
  same_everywhere "written: $*"
}

# A snapshot's size is its own; qemu-img convert -l takes the active disk's, so that it can be
# asked only where they are equal.
snapshots () { # WRITER'S OPTIONS
  rm -f i raw snap.*
  python3 "$writer" "$@" --snapshot-raw snap i raw
  qemu-img check -q i || { result 1 "$* (qemu-img check)"; return; }
  same_everywhere "active disk: $*"
  for s in 1 2; do
    rc=0
    "$decode" -s "snapshot $s" i ours && cmp ours snap.$s || rc=1
    case "$*" in
    *snapshot-size*) ;;
    *) qemu-img convert -f qcow2 -l "snapshot $s" -O raw i qemus && cmp qemus snap.$s || rc=1 ;;
    esac
    result $rc "snapshot $s: $*"
  done
}

qemus () { # CREATE-OPTIONS SIZE QEMU-IO-COMMAND...
  options=$1 size=$2
  shift 2
  rm -f i raw
  qemu-img create -q -f qcow2 -o "$options" i "$size"
  for command; do
    qemu-io -f qcow2 -c "$command" i >/dev/null
  done
  qemu-img convert -f qcow2 -O raw i raw
  same_everywhere "qemu's: $options $size $*"
}

for layout in tables-first tables-last interleaved l1-last l2-reversed; do
  written --layout $layout --seed 11
  written --layout $layout --scatter --cluster-bits 12 --size 2097664 --seed 12
  written --layout $layout --cut --size 1311744 --seed 13
  written --layout $layout --cut --extended --size 1311744 --seed 14 --mix sub=3,data=1,hole=1
done
for bits in 9 10 11 13 14 15 17 18 19 20 21; do
  written --cluster-bits $bits --size $(((1 << bits) * (bits < 18 ? 40 : 9) + 512)) --scatter --seed $bits
done
for bits in 14 16 18 21; do
  written --extended --cluster-bits $bits --size $(((1 << bits) * 9 + 1536)) --scatter \
    --mix hole=1,data=1,sub=5,zero=1,zero-alloc=1,compressed=1 --seed $bits
done
for frames in 1 3; do
  written --compression zstd --frames $frames --cluster-bits 12 --size 307200 --mix compressed=1
  written --compression zstd --frames $frames --cluster-bits 16 --size 1048576
done
written --version 2 --mix hole=1,data=3,compressed=3,shared=2
written --mix compressed=1 --size 1048576 --no-straddle
written --mix compressed=4,data=1 --size 1048576 --cluster-bits 13 --padding 2
for order in 0 2 3 5 6; do
  written --refcount-order $order --cluster-bits 12 --mix hole=1,data=2,zero=1 --size 1048576
done
written --header-length 104 --dirty
written --header-length 464 --cluster-bits 9 --size 65536
written --l1-extra 100 --size 512
snapshots --snapshots 2 --cluster-bits 12 --size 6291456
snapshots --snapshots 2 --cluster-bits 12 --size 6291456 --snapshot-size 5243392 --layout l1-last
snapshots --snapshots 2 --cluster-bits 12 --size 6291456 --snapshot-size 8389120

for bits in 512 4k 64k 2M; do
  qemus cluster_size=$bits 8M 'write -P 1 0 1M' 'write -c -P 2 2M 2M' 'write -z 4M 2M'
  qemus cluster_size=$bits,compat=0.10 4M 'write -P 3 512 700k' 'write -c -P 4 2M 2M'
done
for bits in 4k 64k 2M; do
  qemus cluster_size=$bits,compression_type=zstd 4M 'write -c -P 5 0 2M' 'write -P 6 2M 2M'
done
for bits in 16k 128k 2M; do
  qemus cluster_size=$bits,extended_l2=on 8M 'write -P 7 0 3k' 'write -P 8 20k 1M' \
    'write -z 100k 4k' 'write -c -P 9 4M 2M' 'write -z -u 6M 1M'
done
qemus cluster_size=64k,preallocation=metadata 4M 'write -P 1 1M 1M'
qemus cluster_size=4k,preallocation=full 1M 'write -P 1 64k 1k' 'write -z 512k 64k'
qemus cluster_size=64k,lazy_refcounts=on 4M 'write -P 1 1M 1M'
qemus refcount_bits=1 4M 'write -P 1 1M 1M'
qemus cluster_size=64k 0
qemus cluster_size=64k 512 'write -P 1 0 512'
qemus cluster_size=64k 65024 'write -P 1 0 65024'
qemus cluster_size=64k 128M 'write -P 1 127M 1M' 'write -c -P 2 64M 2M'
echo "1..$n"
