#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The process as a whole stays within --memory and 64 MiB more, whatever the map is: two million
# extents of one small cluster each in reverse order, a table of 32 MiB, a disk of 15 TiB; from a
# file and from a pipe, and for what goes by the map (SQ21, R4).  Not map itself: it makes one document of all of it.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
case $(nm -D "$QIMPORT" 2>/dev/null) in
  *__[atm]san_init* | *__ubsan*) skip_all "a sanitizer has a memory of its own" ;;
esac

# make CLUSTER_BITS CLUSTERS STEP: every STEP-th cluster of the disk has data (0: none has)
make () {
  rm -f "$scratch/image"
  python3 - "$scratch/image" "$@" <<'END'
import struct, sys
path, (bits, clusters, step) = sys.argv[1], map(int, sys.argv[2:])
size = 1 << bits
per = size // 8
tables = -(-clusters // per)
l1_at = 2 * size
l2_at = l1_at + -(-tables * 8 // size) * size
filled = range(0, clusters, step) if step else ()
used = sorted({k // per for k in filled})
data = l2_at + len(used) * size
end = data + len(filled) * size
with open(path, "wb") as f:
    f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, bits, clusters * size, 0,
                        tables, l1_at, size, 1, 0, 0, 0, 0, 0, 4, 104))
    where = {t: l2_at + k * size for k, t in enumerate(used)}
    f.seek(l1_at)
    for t in range(tables):
        f.write(struct.pack(">Q", where[t] | 1 << 63 if t in where else 0))
    for t in used:
        f.seek(where[t])
        f.write(b"".join(struct.pack(">Q", end - (k // step + 1) * size | 1 << 63
                                     if k % step == 0 and k < clusters else 0)
                         for k in range(t * per, (t + 1) * per)))
    f.truncate(end)
END
}

within () { # WHAT COMMAND...: it ends with 0, in 80 MiB
  what=$1
  shift
  python3 - "$QIMPORT" "$@" >"$scratch/peak" 2>"$scratch/err" <<'END'
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=open("/dev/null"), stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
END
  read -r rc peak <"$scratch/peak"
  exits 0 "$what: it ends with 0"
  check "$what: within 80 MiB ($peak)" [ "$peak" -le 80 ]
}

all_of () { # WHAT
  disk=$scratch/disk
  rm -f "$disk"* "$QIMPORT_JOURNAL"*
  within "$1, start" start -q --memory 16M "$scratch/image" "$disk"
  check "$1: the disk has its size" [ "$(size_of "$disk")" = $size ]
  for command in "status" "status --json" "audit -q --memory 16M $disk" \
    "report $disk -o $scratch/report.html"; do
    within "$1, ${command%% *}" $command
  done
  rm -f "$disk"* "$QIMPORT_JOURNAL"*
  within "$1, as a stream" start -q --stream --memory 16M "$scratch/image" "$disk"
}

make 9 2000000 1
size=$((2000000 * 512))
all_of "two million extents"
make 9 $((1 << 28)) 100000
size=$((1 << 37))
all_of "a table of 32 MiB"
make 16 $((15 << 24)) 1000000
size=$((15 << 40))
all_of "15 TiB"
done_testing
