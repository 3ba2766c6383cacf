#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A zoo of images, made by qemu and, byte by byte, by a writer that knows nothing of our code.
# Each is imported from nginx and from a pipe, and its map is held against qemu-img's: what
# qemu-img convert makes of it is what must be on the target.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

writer=$top_srcdir/tests/tools/qcow2-writer.py
zoo=$scratch/zoo
mkdir "$zoo"
cd "$zoo" || exit 99
serve_start "$scratch/nginx" "$zoo" || bail "nginx does not start"
disk=$scratch/disk
i=$zoo/i

# The last run made what is in RAW.
made () { # SENTENCE RAW
  if [ "$rc" != 0 ]; then
    not_ok "$1" "exit status $rc" "$(cat "$scratch/err")"
  else
    assert_identical "$disk" "$2" "$1"
  fi
  rm -f "$disk" "$disk.qimport-part"
}

from_server () { # SENTENCE RAW OPTIONS...
  sentence=$1 raw=$2
  shift 2
  run qimport start -q "$@" "$serve_url/i" "$disk"
  made "$sentence" "$raw"
}

from_pipe () { # SENTENCE RAW OPTIONS...
  sentence=$1 raw=$2
  shift 2
  "$QIMPORT" start -q "$@" - "$disk" <"$i" >"$scratch/out" 2>"$scratch/err"
  rc=$?
  made "$sentence" "$raw"
}

same_map () { # SENTENCE
  qemu-img map -f qcow2 --output=json "$i" >"$scratch/theirs"
  run qimport map --json "$serve_url/i"
  if [ "$rc" = 0 ] &&
     python3 "$top_srcdir/tests/tools/map-same.py" "$scratch/out" "$scratch/theirs" 2>>"$scratch/err"
  then ok "$1"; else not_ok "$1" "$(cat "$scratch/err")"; fi
}

# Image i reads as RAW, which qemu-img agrees to.
animal () { # NAME
  qemu-img convert -f qcow2 -O raw "$i" theirs || bail "qemu-img does not read: $1"
  [ ! -e raw ] || cmp raw theirs || bail "the writer and qemu-img differ: $1"
  from_server "$1: from a server" theirs
  from_pipe "$1: from a pipe" theirs
  same_map "$1: the map is qemu-img's"
  rm -f "$i" raw theirs
}

written () { # WRITER'S OPTIONS
  python3 "$writer" "$@" "$i" raw || bail "the writer fails: $*"
  animal "written: $*"
}

make_image () { # OPTIONS SIZE QEMU-IO-COMMAND...
  options=$1 size=$2
  shift 2
  qemu-img create -q -f qcow2 -o "$options" "$i" "$size" || bail "qemu-img create $options"
  for command; do
    qemu-io -f qcow2 -c "$command" "$i" >/dev/null 2>&1 || bail "qemu-io $command"
  done
}
qemus () { # OPTIONS SIZE QEMU-IO-COMMAND...
  make_image "$@"
  animal "qemu's: $*"
}

# ---- qemu's

for cluster in 512 4k 64k 2M; do
  qemus cluster_size=$cluster 6M 'write -P 1 0 1M' 'write -c -P 2 2M 2M' 'write -z 4M 1M'
  qemus cluster_size=$cluster,compat=0.10 4M 'write -P 3 512 700k' 'write -c -P 4 2M 2M'
done
for cluster in 512 16k 2M; do
  qemus cluster_size=$cluster,compression_type=zstd 4M 'write -c -P 5 0 2M' 'write -P 6 2M 2M'
done
for cluster in 16k 128k 2M; do
  qemus cluster_size=$cluster,extended_l2=on 8M 'write -P 7 0 3k' 'write -P 8 20k 1M' \
    'write -z 100k 4k' 'write -c -P 9 4M 2M' 'write -z -u 6M 1M' 'discard 300k 64k'
done
for bits in 1 2 4 8 32 64; do
  qemus refcount_bits=$bits,cluster_size=4k 2M 'write -P 1 1M 512k' 'write -c -P 2 0 64k'
done
for how in metadata falloc full; do
  qemus cluster_size=64k,preallocation=$how 3M 'write -P 1 1M 70k' 'write -z 2M 64k'
done
qemus cluster_size=4k,extended_l2=off 3M 'write -P 1 0 3M' 'discard 1M 512k' 'write -z -u 2M 64k'
qemus cluster_size=64k,lazy_refcounts=on 4M 'write -P 1 1M 1M'
qemus cluster_size=64k 0
qemus cluster_size=64k 512 'write -P 1 0 512'
qemus cluster_size=64k 65024 'write -P 1 0 65024'
qemus cluster_size=64k 2097664 'write -P 1 1M 1049088'
qemus cluster_size=64k 128M 'write -P 1 127M 1M' 'write -c -P 2 64M 2M'
qemus cluster_size=4k 512M 'write -P 1 0 4k' 'write -P 2 500M 8k' 'write -z 5M 1M'

make_image cluster_size=64k,lazy_refcounts=on 4M
qemu-io -f qcow2 -c 'write -P 1 1M 1M' -c 'sigraise 9' "$i" >/dev/null 2>&1
is "$(qemu-img info --output=json "$i" | jq '."dirty-flag"')" true "an image was left dirty"
cp "$i" dirty
qemu-img convert -f qcow2 -O raw dirty theirs
from_server "dirty: from a server" theirs
from_pipe "dirty: from a pipe" theirs
rm -f "$i" dirty theirs

make_image cluster_size=64k 4M 'write -P 1 0 2M'
qemu-img resize -q "$i" 9M
animal "qemu's: made larger"
make_image cluster_size=4k 8M 'write -P 1 0 8M'
qemu-img resize -q --shrink "$i" 3000832
animal "qemu's: made smaller"
make_image cluster_size=64k,compat=0.10 4M 'write -P 1 0 2M'
qemu-img amend -q -o compat=1.1 "$i" && qemu-io -f qcow2 -c 'write -z 1M 64k' "$i" >/dev/null
animal "qemu's: amended to 1.1"
make_image cluster_size=64k 4M 'write -P 1 0 2M' 'write -z 1M 64k'
qemu-img amend -q -o compat=0.10 "$i"
animal "qemu's: amended to 0.10"
make_image cluster_size=64k 4M 'write -P 1 0 1M'
qemu-img bitmap --add --enable "$i" b0 && qemu-img bitmap --add -g 64k "$i" b1
qemu-io -f qcow2 -c 'write -P 2 3M 1M' "$i" >/dev/null
animal "qemu's: with persistent bitmaps"

# ---- the writer's

seed=0
for layout in tables-first tables-last interleaved l1-last l2-reversed; do
  seed=$((seed + 1))
  written --layout $layout --cluster-bits 12 --size 5243392 --scatter --seed $seed
  written --layout $layout --cut --size 2360320 --seed $seed
  written --layout $layout --cut --extended --size 2360320 --mix sub=3,data=1,hole=1 --seed $seed
done
written --cluster-bits 9 --size 400384 --scatter --seed 20
written --cluster-bits 21 --size 12583424 --mix data=2,compressed=2,hole=1,shared=1 --seed 21
written --version 2 --mix hole=1,data=3,compressed=3,shared=2 --seed 22
written --compression zstd --frames 3 --cluster-bits 14 --size 1048576 --seed 23
written --mix compressed=4,data=1 --size 2097152 --cluster-bits 13 --padding 2 --seed 24
written --mix shared=4,data=1,compressed=1 --size 3145728 --cluster-bits 12 --scatter --seed 25
written --header-length 464 --cluster-bits 9 --size 65536 --seed 26
written --l1-extra 100 --size 512 --seed 27
written --refcount-order 0 --cluster-bits 12 --mix hole=1,data=2,zero=1 --size 1048576 --seed 28

# ---- snapshots

# qemu-img convert -l takes the size of the active disk, we that of the snapshot.
make_image cluster_size=64k 4M 'write -P 1 0 3M' 'write -c -P 2 3M 256k'
qemu-img snapshot -c first "$i"
qemu-io -f qcow2 -c 'write -P 3 1M 1M' -c 'discard 0 512k' "$i" >/dev/null
qemu-img snapshot -c second "$i"
qemu-img resize -q "$i" 6M
qemu-io -f qcow2 -c 'write -P 4 5M 1M' "$i" >/dev/null
for snapshot in first second; do
  qemu-img convert -f qcow2 -l $snapshot -O raw "$i" theirs && truncate -s 4M theirs
  from_server "snapshot $snapshot: from a server" theirs --snapshot $snapshot
  from_pipe "snapshot $snapshot: from a pipe" theirs --snapshot $snapshot
done
qemu-img convert -f qcow2 -l first -O raw "$i" theirs && truncate -s 4M theirs
from_server "a snapshot by its ID" theirs --snapshot 1
run qimport start -q --snapshot none "$serve_url/i" "$disk"
exits 2 "a snapshot that is not there is wrong usage"
one_message "in one line"
rm -f theirs raw
animal "qemu's: the disk that has snapshots"
for layout in tables-first l1-last; do
  for size in 5243392 8389120; do
    what="snapshot of $size bytes, $layout"
    python3 "$writer" --snapshots 2 --cluster-bits 12 --size 6291456 --snapshot-size $size \
      --layout $layout --snapshot-raw snap "$i" raw
    for snapshot in 1 2; do
      from_server "$what: $snapshot from a server" snap.$snapshot --snapshot "snapshot $snapshot"
      from_pipe "$what: $snapshot from a pipe" snap.$snapshot --snapshot "snapshot $snapshot"
    done
    rm -f "$i" raw snap.*
  done
done
python3 "$writer" --snapshots 1 --cluster-bits 12 --size 6291456 --snapshot-size 8389120 \
  --snapshot-raw snap "$i" raw
for size in 8389120 8388608; do
  run qimport start -q --snapshot "snapshot 1" --max-size $size "$serve_url/i" "$disk"
  first=$rc
  rm -f "$disk"
  qimport start -q --snapshot "snapshot 1" --max-size $size - "$disk" <"$i" 2>"$scratch/err"
  is "$first $?" "$([ $size = 8389120 ] && echo 0 0 || echo 5 5)" \
    "a snapshot larger than the disk, at most $size bytes: from a server and from a pipe"
  rm -f "$disk"
done
one_message "in one line"

rm -rf "$disk"
is "$(find "$scratch" -name '*.qimport-part')" "" "no part file is left"
done_testing
