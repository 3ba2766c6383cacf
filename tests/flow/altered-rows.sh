#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Rows of the journal that were altered while an import was interrupted: whoever reads them first, the
# samples of a resume from another URL, the look at the target, a stream that goes by again or a
# repair, says so (exit 7), and reads or writes nothing by them.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
disk=$scratch/disk piped=$scratch/piped
"$QIMPORT" start -q --limit-rate 1M --commit-interval 0.1 "$url" "$disk" 2>/dev/null &
background
one=$!
"$QIMPORT" start -q --stream --limit-rate 1M --commit-interval 0.1 "$url" "$piped" 2>/dev/null &
background
two=$!
far () { [ "$(import_of "$1" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 9000000 ] 2>/dev/null; }
for _ in $(seq 200); do
  far "$disk" && far "$piped" && break
  sleep 0.05
done
kill -9 $one $two
wait $one $two 2>/dev/null
check "two imports are interrupted" [ ! -e "$disk" -a ! -e "$piped" -a -e "$piped.qimport-part" ]
run qimport start -q "$url" "$scratch/whole"
exits 0 "a third is complete"
sqlite3 "$QIMPORT_JOURNAL" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
cp "$QIMPORT_JOURNAL" "$scratch/good.db"
for d in "$disk" "$piped"; do cp "$d.qimport-part" "$d.copy"; done

of () { echo "(key >> 40) = (SELECT no FROM import WHERE target = '$1')"; }
# altered TARGET SQL: "EXTENT" in it are its extents, "SEGMENT" its segments
altered () {
  rm -f "$QIMPORT_JOURNAL"-*
  cp "$scratch/good.db" "$QIMPORT_JOURNAL"
  statement=$(echo "$2" | sed "s|EXTENT|UPDATE extent SET|; s|SEGMENT|UPDATE segment SET|; s|WHERE|WHERE $(of "$1") AND|")
  sqlite3 "$QIMPORT_JOURNAL" "$statement; PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null || bail "sqlite3: $statement"
  cmp -s "$scratch/good.db" "$QIMPORT_JOURNAL" && not_ok "nothing was altered: $statement"
}
refused () { # SENTENCE COMMAND...
  what=$1
  shift
  run "$@"
  exits 7 "$what"
  one_message "$what: one line"
}

while read -r sql; do
  altered "$disk" "$sql"
  refused "resume --url after $sql" qimport resume -q --limit-rate 0 --url "$url?again" "$disk"
  check "nothing was written" cmp "$disk.qimport-part" "$disk.copy"
  altered "$piped" "$sql"
  run qimport resume -q --limit-rate 0 "$piped"
  # Without a digest of all of its map, the image may be the one that is another now.
  check "a stream that is resumed after $sql is refused ($rc)" [ "$rc" = 7 -o "$rc" = 4 ]
  one_message "with one line"
  altered "$scratch/whole" "$sql"
  printf x | dd of="$scratch/whole" bs=1 seek=1100000 conv=notrunc status=none
  refused "audit --repair after $sql" qimport audit --repair -q --url "$url?again" "$scratch/whole"
done <<'END'
EXTENT skip = 2147483648 WHERE stored > 0
EXTENT skip = 65024 WHERE stored > 0
EXTENT len = len + 4096 WHERE stored > 0
EXTENT stored = 100000 WHERE stored > 0
EXTENT host = host + 1000000 WHERE stored > 0
EXTENT host = 281474976710656 WHERE 1
EXTENT guest = guest + 281474976710656 WHERE 1
SEGMENT need_to = 4611686018427387904 WHERE 1
SEGMENT need_from = need_from + 4096 WHERE 1
SEGMENT layer = 1 WHERE 1
END
done_testing
