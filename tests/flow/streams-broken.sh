#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Pipes that end at any byte, or trickle a byte at a time; tables that come late and say what a
# stream cannot do any more; damage that lies far behind.  A pipe ends as a server would, or with
# 3 and resumable, whatever the timing.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

writer=$top_srcdir/tests/tools/qcow2-writer.py
mkdir "$scratch/target"
disk=$scratch/target/disk
cd "$scratch" || exit 99
say_seed

fresh () { rm -rf "$scratch/target/"* "$scratch/journal.db"*; }
imports () { qimport status --json | jq '.imports | length'; }
pipe () { # COMMAND FILE OPTIONS...
  command=$1 file=$2
  shift 2
  if [ "$command" = start ]; then set -- "$@" -; fi
  "$QIMPORT" "$command" -q "$@" "$disk" <"$file" >out 2>err
  rc=$?
}
state () { sqlite3 "$QIMPORT_JOURNAL" 'SELECT layer, guest_offset, length, kind, host_offset,
  stored_length, committed FROM cluster_state ORDER BY 1, 5, 2'; }

# ---- every length

# A pipe of the first $1 bytes, then all of them: what went wrong, or nothing
cut_at () {
  fresh
  head -c "$1" i >cut
  pipe start cut
  case $rc in
    0) cmp "$disk" raw; return ;;
    3) [ ! -e "$disk" ] || echo "the disk is there" ;;
    5) [ "$1" -lt 104 ] || echo "refused: $(cat err)" ;;
    *) echo "exit status $rc: $(cat err)" ;;
  esac
  [ "$(wc -l <err)" = 1 ] || echo "not one line: $(cat err)"
  if [ "$(imports)" = 0 ]; then pipe start i; else pipe resume i; fi
  [ $rc = 0 ] || echo "the whole of it: exit status $rc: $(cat err)"
  cmp "$disk" raw
}

some=12
[ -z "${QIMPORT_TEST_LONG:-}" ] || some=400
for kind in '--layout interleaved' '--layout tables-last' \
  '--layout l1-last --compression zstd' '--snapshots 2 --layout tables-last'; do
  # shellcheck disable=SC2086
  python3 "$writer" --cluster-bits 9 --size 65536 $kind i raw || bail "the writer fails: $kind"
  size=$(size_of i)
  lengths="0 1 103 104 105 511 512 513 $((size - 513)) $((size - 512)) $((size - 1))"
  for _ in $(seq $some); do
    random_below "$size"
    lengths="$lengths $random"
  done
  : >wrong
  for n in $lengths; do
    why=$(cut_at "$n")
    [ -z "$why" ] || echo "cut at $n: $why" >>wrong
  done
  if [ -s wrong ]; then not_ok "cut anywhere: $kind" "$(cat wrong)"; else ok "cut anywhere: $kind"; fi
done

# ---- arrival

python3 "$writer" --cluster-bits 9 --size 98304 --layout tables-last --scatter i raw
fresh
pipe start i
exits 0 "a pipe at full speed"
state >want
fresh
python3 -c '
import os
for byte in open("i", "rb").read():
    os.write(1, bytes((byte,)))' | "$QIMPORT" start -q - "$disk" 2>err
exits 0 "a byte at a time is imported too"
assert_identical "$disk" raw "with the same disk"
state >got
assert_identical got want "and the same map in the journal"

# ---- what comes too late

# The last table names a cluster that the first one named.
python3 "$writer" --cluster-bits 12 --size 8388608 --mix data=1 --layout interleaved i raw
python3 - i <<'END'
import struct, sys
image = bytearray(open(sys.argv[1], "rb").read())
n, l1 = struct.unpack_from(">IQ", image, 36)
tables = [t & 0xfffffffffffe00 for t in struct.unpack_from(f">{n}Q", image, l1)]
first, = struct.unpack_from(">Q", image, tables[0])
struct.pack_into(">Q", image, tables[-1], first)
open(sys.argv[1], "wb").write(image)
END
qemu-img convert -f qcow2 -O raw i want
fresh
run qimport start -q "$scratch/i" "$disk"
exits 0 "a cluster that two tables share is read from a file"
assert_identical "$disk" want "as qemu-img reads it"
fresh
pipe start i
exits 5 "in a pipe it went by before the second said so, which is refused"
check "the message says what to do" grep -q 'cannot go back; import the image from a file' err
check "there is no disk" [ ! -e "$disk" ]

# The snapshot table lies far behind, and its second entry is damaged.
python3 "$writer" --cluster-bits 12 --size 6291456 --mix data=1 --snapshots 2 \
  --layout tables-last i raw
at=$(python3 - i <<'END'
import struct, sys
image = bytearray(open(sys.argv[1], "rb").read())
at, = struct.unpack_from(">Q", image, 64)
struct.pack_into(">I", image, at + 80 + 36, 2000)
open("damaged", "wb").write(image)
print(at)
END
)
check "a snapshot table at byte $at" [ "$at" -gt 4194304 ]
qemu-img convert -f qcow2 -O raw damaged want 2>/dev/null
is $? 1 "qemu-img refuses a damaged snapshot table"
for options in '' '--snapshot 1'; do
  fresh
  # shellcheck disable=SC2086
  run qimport start -q $options "$scratch/damaged" "$disk"
  exits 5 "so do we, from a file${options:+, with $options}"
  check "and nothing is left" [ -z "$(ls target)" ]
  fresh
  # shellcheck disable=SC2086
  pipe start damaged $options
  exits 5 "and from a pipe"
  check "there is no disk" [ ! -e "$disk" ]
done
fresh
head -c $((at + 100)) i >cut
pipe start cut
exits 3 "a pipe that ends within the snapshot table ends with 3"
pipe resume i
exits 0 "all of it ends the import"
assert_identical "$disk" raw "and the disk is as it must be"

# The last thing in the file is the snapshot table, or the L1 table of a snapshot that nobody asked
# for: of it the end is cut off.
for last in table l1; do
  python3 - i $last <<'END'
import struct, sys
image = bytearray(open(sys.argv[1], "rb").read())
image += bytes(-len(image) % 4096)
at, = struct.unpack_from(">Q", image, 64)
end = len(image)
if sys.argv[2] == "table":
    struct.pack_into(">Q", image, 64, end)
    image += image[at:at + 2 * 80]
else:
    l1, n = struct.unpack_from(">QI", image, at)
    struct.pack_into(">Q", image, at, end)
    image += image[l1:l1 + 8 * n]
open("whole", "wb").write(image)
open("cut", "wb").write(image[:-8])
END
  fresh
  pipe start whole
  exits 0 "a pipe with the snapshots' $last at the end is imported"
  fresh
  run qimport start -q "$scratch/cut" "$disk"
  if [ $last = table ]; then
    exits 5 "a file that is cut within it is refused"
  else
    exits 0 "a file that is cut within it is read: nobody wants that snapshot"
    assert_identical "$disk" raw "and the disk is as it must be"
    run qimport start -q --force --snapshot 1 "$scratch/cut" "$disk"
    exits 5 "but for that snapshot"
  fi
  fresh
  pipe start cut
  exits 3 "and a pipe may have broken"
  pipe resume whole
  exits 0 "all of it ends the import"
  assert_identical "$disk" raw "and the disk is as it must be"
done
done_testing
