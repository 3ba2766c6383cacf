#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever alters a row of the journal is found out: exit 7, which is not what a changed disk
# gets (D3).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
disk=$scratch/disk
run qimport start -q "$url" "$disk"
exits 0 "an import"
run qimport audit -q "$disk"
exits 0 "an audit of it"
run sh -c 'cat "$1" | "$QIMPORT" start -q - "$2"' pipe "$image" "$scratch/piped"
exits 0 "another, through a pipe"
sqlite3 "$QIMPORT_JOURNAL" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
cp "$QIMPORT_JOURNAL" "$scratch/good.db"

tries=0
# altered SENTENCE SQL [TARGET]
altered () {
  rm -f "$QIMPORT_JOURNAL"-*
  cp "$scratch/good.db" "$QIMPORT_JOURNAL"
  sqlite3 "$QIMPORT_JOURNAL" "$2; PRAGMA wal_checkpoint(TRUNCATE)" >"$scratch/sql" 2>&1 || not_ok "sqlite3" "$(cat "$scratch/sql")"
  cmp -s "$scratch/good.db" "$QIMPORT_JOURNAL" && not_ok "nothing was altered: $2"
  run qimport audit "${3:-$disk}"
  exits 7 "$1"
  one_message "$1: one line"
  tries=$((tries + 1))
}

one="(SELECT no FROM import WHERE target = '$disk')"
altered "the digest of a segment" \
  "UPDATE segment SET hash = zeroblob(32) WHERE key = ($one << 40) + 3"
altered "digests that changed places" \
  "UPDATE segment SET hash = (SELECT hash FROM segment WHERE key = ($one << 40) + 4) WHERE key = ($one << 40) + 3"
altered "where an extent goes" "UPDATE extent SET guest = guest + 8 WHERE key = ($one << 40) + 5"
altered "where an extent comes from" "UPDATE extent SET host = host + 1 WHERE key = ($one << 40) + 5"
altered "a zero run" "UPDATE zero_run SET len = len - 8 WHERE key = ($one << 40)"
altered "an event" "UPDATE event SET detail = 'all is well' WHERE key = ($one << 40)"
altered "the time of an event" "UPDATE event SET at = '2001-01-01T00:00:00.000Z' WHERE key = ($one << 40)"
altered "an event that is gone" "DELETE FROM event WHERE key = ($one << 40)"
altered "the last events gone" "DELETE FROM event WHERE key > ($one << 40)"
altered "the verdict alone gone" "DELETE FROM event WHERE kind = 'audited'"
altered "where the image came from" "UPDATE layer SET url = 'https://example.org/other.qcow2' WHERE key = $one << 8"
altered "its ETag" "UPDATE layer SET etag = '\"other\"' WHERE key = $one << 8"
altered "the SHA-256 of the image" "UPDATE import SET image_sha256 = replace(image_sha256, substr(image_sha256, 1, 1), 'f') || '' WHERE no = $one AND substr(image_sha256, 1, 1) <> 'f'; UPDATE import SET image_sha256 = substr(image_sha256, 2) || '0' WHERE no = $one"
altered "the root digest" "UPDATE import SET root_digest = substr(root_digest, 2) || substr(root_digest, 1, 1) WHERE no = $one"
altered "the map's digest" "UPDATE import SET map_digest = zeroblob(32) WHERE no = $one"
altered "when it was finished" "UPDATE import SET finished_at = finished_at - 86400000 WHERE no = $one"
two="(SELECT no FROM import WHERE target = '$scratch/piped')"
altered "of a stream, where an extent goes" \
  "UPDATE extent SET guest = guest + 8 WHERE key = ($two << 40) + 5" "$scratch/piped"
altered "of a stream, a zero run" "UPDATE zero_run SET len = len - 8 WHERE key = ($two << 40)" "$scratch/piped"
altered "of a stream, a digest" "UPDATE segment SET hash = zeroblob(32) WHERE key = ($two << 40) + 1" "$scratch/piped"

rm -f "$QIMPORT_JOURNAL"-*
cp "$scratch/good.db" "$QIMPORT_JOURNAL"
run qimport audit -q "$disk"
exits 0 "the journal as it was is believed"
run qimport audit -q "$scratch/piped"
exits 0 "also of the stream"
note "$tries ways to alter it"
done_testing
