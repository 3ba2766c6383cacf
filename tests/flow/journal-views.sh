#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an auditor sees with the sqlite3 shell: the views of the contract are true, also while the
# import runs, and looking at them does not hold it up.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
disk=$scratch/disk
sql () { sqlite3 -readonly -cmd '.timeout 5000' "$QIMPORT_JOURNAL" "$1"; }
size=$(size_of "$expected")

"$QIMPORT" start -q --limit-rate 3M "$url" "$disk" 2>"$scratch/start.err" &
pid=$!
background

# Every look in one transaction: the sum, the committed part, what import_summary says of it.
looks=0 wrong=0 back=0 last=0 middle=0
while kill -0 $pid 2>/dev/null; do
  row=$(sql "SELECT sum(length), sum(length * committed), count(*) FROM cluster_state" 2>>"$scratch/sql.err") || row=
  total=${row%%|*} rest=${row#*|}
  committed=${rest%%|*}
  if [ -n "$total" ] && [ "$(sql 'SELECT state FROM import_summary')" != probing ]; then
    looks=$((looks + 1))
    [ "$total" = "$size" ] || { [ $looks = 1 ] && looks=0 || { wrong=$((wrong + 1)); note "$row"; }; }
    [ "${committed:-0}" -ge $last ] || back=$((back + 1))
    [ "${committed:-0}" -gt 0 ] && [ "${committed:-0}" -lt "$size" ] && middle=$((middle + 1))
    last=${committed:-0}
  fi
  sleep 0.2
done
wait $pid
is $? 0 "the import ends with 0 while it is looked at"
note "$looks looks, $middle of them in the middle"
check "there were looks while some of it was committed" [ $middle -ge 2 ]
is $wrong 0 "cluster_state covers the whole disk in each of them"
is $back 0 "what is committed never grows less"

is "$(sql 'SELECT count(DISTINCT import_id), sum(length), sum(length * committed) FROM cluster_state')" \
   "1|$size|$size" "in the end all of it is committed"
is "$(sql 'SELECT count(*) FROM (SELECT guest_offset + length AS e, lead (guest_offset) OVER
           (ORDER BY guest_offset) AS n FROM cluster_state) WHERE n IS NOT NULL AND n <> e')" 0 \
   "the rows lie end to end"
is "$(sql "SELECT count(*) FROM cluster_state WHERE kind NOT IN ('data', 'compressed', 'zero')")" 0 \
   "no row is of another kind"

# Where the image has compressed clusters qemu-img map sees them in the same places.
qemu-img map --output=json "$image" |
  jq -r 'map(select(.present and .data)) | map(.length) | add' >"$scratch/want"
is "$(sql "SELECT sum(length) FROM cluster_state WHERE kind <> 'zero'")" "$(cat "$scratch/want")" \
   "as many bytes are not zero as qemu-img map says"
# The bytes of a compressed cluster are where host_offset says: inside the file, none twice.
is "$(sql "SELECT count(*) FROM cluster_state WHERE kind <> 'zero' AND
           (host_offset <= 0 OR host_offset + stored_length > $(size_of "$image") + 512)")" 0 \
   "every host offset is inside the image"
is "$(sql "SELECT min(import_id) = (SELECT id FROM import_summary) FROM cluster_state")" 1 \
   "import_id is the id of import_summary"
is "$(sql "SELECT group_concat(kind, ' ') FROM (SELECT kind FROM event WHERE kind IN ('started', 'completed') ORDER BY rowid)")" \
   "started completed" "the events tell the story"
is "$(sql 'PRAGMA integrity_check')" ok "the file is sound"
is "$(sql 'PRAGMA journal_mode')" wal "it is in WAL mode"
check "application_id is set" [ "$(sql 'PRAGMA application_id')" -ne 0 ]
check "user_version is set" [ "$(sql 'PRAGMA user_version')" -ge 1 ]
is "$(stat -c %a "$QIMPORT_JOURNAL")" 600 "nobody else may read it"
done_testing
