#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The order of writes and syncs of a whole import, as the kernel saw them: data, sync, commit; sync,
# rename, sync of the directory; commit, sync, and only then "complete" (J1, W3, W7).  A reader
# holds the journal open all the while: no checkpoint may be what makes it durable.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"
strace -f true 2>/dev/null || skip_all "programs cannot be traced here"
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
small_image

# The journal is there already, and is being read.
mkfifo "$scratch/hold"
run qimport start -q "$image" "$scratch/first"
exits 0 "an import before it ends with 0"
python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM import").fetchone()
print("reading", flush=True)
sys.stdin.read()
' "$journal" <"$scratch/hold" >"$scratch/reader" &
background
exec 9>"$scratch/hold"
for _ in $(seq 100); do [ -s "$scratch/reader" ] && break; sleep 0.05; done
check "somebody reads the journal" [ -s "$scratch/reader" ]

strace -f -y -qq -s 200 -o "$scratch/trace" \
  -e trace=pwrite64,pwritev,pwritev2,write,writev,fallocate,ftruncate,fsync,fdatasync,rename,renameat,renameat2 \
  "$QIMPORT" start --commit-interval 0.1 "$image" "$disk" >"$scratch/out" 2>"$scratch/err" </dev/null
rc=$?
exits 0 "an import beside a reader ends with 0"
assert_identical "$disk" "$expected" "the disk is what qemu-img makes of the image"
"$top_srcdir/tests/tools/order.py" "$scratch/trace" "$disk" "$journal" >"$scratch/rules" || bail "no verdict"
while read -r line; do
  case $line in
    "not ok "*) not_ok "${line#not ok }" ;;
    *) ok "${line#ok }" ;;
  esac
done <"$scratch/rules"

# The reader kept the -wal from being emptied, and so it grew with every commit (SQ20).
grown=$(size_of "$journal-wal")
exec 9>&-
run qimport start -q "$image" "$scratch/third"
exits 0 "an import after the reader is gone ends with 0"
is "$(size_of "$journal-wal" 2>/dev/null || echo 0)" 0 \
  "the journal's -wal is emptied when the reader is gone (it had $grown bytes)"
done_testing
