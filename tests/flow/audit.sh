#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An audit finds any byte of the target that is not as it was imported, names where it is and
# writes nothing; with --repair just that piece is fetched again.  Another target is not a changed
# one (D1, D2, D5).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image plain 64K
plain=$image
image deflate 64K
serve
disk=$scratch/disk
size=$(size_of "$expected")
root_of () { python3 "$top_srcdir/doc/examples/root-digest.py" "$@"; }
finding () { jq -r "$1" "$scratch/out"; }
digest_of () { sha256sum <"$1" | cut -d' ' -f1; }
# flip FILE OFFSET: another byte there
flip () {
  old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
  # shellcheck disable=SC2059
  printf "\\$(printf %03o $(((old + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# Is guest offset $1 within a range that was found?
named () {
  [ "$(jq --argjson at "$1" '[.differences[] | select(.start <= $at and $at < .start + .length)] |
       length' "$scratch/out")" = 1 ]
}

# ---- the root digest

run qimport start -q "$url" "$disk"
exits 0 "an import to look at"
run qimport audit "$disk" --json
exits 0 "its audit ends with 0"
is "$(finding .verdict)" same "the target is as it was imported"
root=$(root_of "$expected")
is "$(finding .root_digest)" "$root" "the root digest is what the script makes of the raw disk"
is "$(finding '.segments.total == .segments.compared and .segments.differ == 0')" true \
  "every segment was compared"
is "$(qimport log "$disk" --json | jq -r '.events[-1] | .kind + " " + (.detail | test ("root=" + $r) | tostring)' --arg r "$root")" \
  "audited true" "the log tells verdict and root digest"
run qimport start -q --verify "$serve_url/${plain##*/}" "$scratch/plain"
exits 0 "the same guest from an image that is not compressed, with --verify"
is "$(qimport receipt "$scratch/plain" | jq -r .digests.target_root_sha256)" "$root" \
  "has the same root digest, from --verify alone"
is "$(qimport log "$scratch/plain" --json | jq -r '[.events[].kind] | index ("audited") < index ("completed")')" \
  true "and was audited before it was complete"
truncate -s 3145733 "$scratch/odd"
is "$(root_of "$scratch/odd" 3145728)" "$(truncate -s 3145728 "$scratch/odd"; root_of "$scratch/odd")" \
  "the script reads as much of a device as it is told to"

# ---- one byte, anywhere

zero_at=$(qimport map "$disk" --json | jq '[.[] | select(.zero)] | .[length / 2 | floor] | .start + 4097')
data_at=$(qimport map "$disk" --json | jq '[.[] | select(.zero | not)] | .[length / 2 | floor] | .start + 17')
for at in 0 "$data_at" "$zero_at" $((size - 1)); do
  what="a byte at $at is another"
  flip "$disk" "$at"
  before=$(digest_of "$disk")
  run qimport audit "$disk" --json
  exits 8 "$what: exit status 8"
  check "$what: the range is named" named "$at"
  first=$(finding '.differences[0].start')
  check "$what: the message names the first range and how many there are" \
    grep -q "guest offset $first\b.* range" "$scratch/err"
  is "$(digest_of "$disk")" "$before" "$what: nothing was written"
  : >"$serve_log"
  run qimport audit "$disk" --json --repair
  exits 0 "$what: --repair ends with 0"
  is "$(finding .verdict)" repaired "$what: it says that it repaired"
  is "$(qimport log "$disk" --json | jq -r '.events[-1].kind')" repaired "$what: so does the log"
  assert_identical "$disk" "$expected" "$what: the disk is the guest again"
  check "$what: no more than a segment and the tables was fetched" \
    [ "$(sent_bytes)" -le $((1048576 + 65536 + 131072)) ]
done
sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT 1" >/dev/null
flip "$disk" "$zero_at"
: >"$serve_log"
run qimport audit "$disk" --json
is "$(finding '.differences | map(.kind) | unique | tostring')" '["zero"]' "a byte among zeros is told as such"
is "$(finding '.differences[0].length')" 4096 "to the page"
run qimport audit "$disk" --repair -q
exits 0 "zeros are made again"
is "$(sent_bytes)" 0 "without any request"
run qimport audit "$disk" -q
exits 0 "and the next audit finds nothing"

# ---- several, and a source that changed

flip "$disk" 0
flip "$disk" "$data_at"
flip "$disk" $((size - 1))
run qimport audit "$disk" --json
check "several differences are several ranges" [ "$(finding .differing_ranges)" -ge 2 ]
before=$(digest_of "$disk")
cp "$image" "$scratch/other.qcow2"
middle=$(jq -n "$(size_of "$image") / 2 | floor")
for at in $(seq $((middle - 3)) $((middle + 3))); do flip "$scratch/other.qcow2" "$at"; done
run qimport audit "$disk" --repair --url "$scratch/other.qcow2"
exits 4 "another image cannot repair it"
one_message "which is said in one line"
is "$(digest_of "$disk")" "$before" "and nothing of it was written"
run qimport audit "$disk" --repair -q
exits 0 "the right one can"
assert_identical "$disk" "$expected" "the disk is the guest again"

# ---- another target

mv "$disk" "$scratch/kept"
run qimport audit "$disk"
exits 6 "a missing target is exit 6"
cp "$scratch/err" "$scratch/missing"
cp "$scratch/kept" "$disk"
run qimport audit "$disk"
exits 6 "so is a copy in its place"
cp "$scratch/err" "$scratch/replaced"
mv "$scratch/kept" "$disk"
truncate -s +512 "$disk"
run qimport audit "$disk"
exits 6 "and a longer one"
cp "$scratch/err" "$scratch/longer"
truncate -s $((size - 512)) "$disk"
run qimport audit "$disk"
exits 6 "and a shorter one"
cp "$scratch/err" "$scratch/shorter"
# Words, not numbers, tell them apart.
is "$(cat "$scratch/missing" "$scratch/replaced" "$scratch/longer" | sed 's/[0-9]*//g' | sort -u | wc -l)" 3 \
  "missing, replaced and of another size have words of their own"
check "the size that it has now is named" grep -q $((size - 512)) "$scratch/shorter"
check "and the one that it had" grep -q $size "$scratch/shorter"

# ---- while it runs, and of one that was interrupted

serve 400000
disk=$scratch/slow
"$QIMPORT" start -q --connections 2 "$url" "$disk" &
pid=$!
background
for _ in $(seq 100); do
  [ "$(qimport status "$disk" --json 2>/dev/null | jq .segments.committed)" -ge 3 ] 2>/dev/null && break
  sleep 0.1
done
run qimport audit "$disk"
exits 7 "an import that runs cannot be audited"
check "the message names who works on it" grep -q "pid $pid" "$scratch/err"
kill -INT $pid
wait $pid
attempts=$(import_of "$disk" .attempts)
run qimport audit "$disk" --json
exits 0 "of an interrupted one what is committed is audited"
is "$(finding '.root_digest')" null "without a root digest"
check "some of its segments were compared" [ "$(finding .segments.compared)" -ge 3 ]
is "$(import_of "$disk" '[.state, .attempts] | tostring')" "[\"interrupted\",$attempts]" \
  "its state is left as it was"
# An older copy of the target, put back under it.
at=$(sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT guest_offset FROM cluster_state
  WHERE committed AND kind <> 'zero' AND import_id = '$(import_of "$disk" .id)' ORDER BY guest_offset DESC LIMIT 1")
dd if=/dev/zero of="$disk.qimport-part" bs=4096 seek=$((at / 4096)) count=4 conv=notrunc status=none
run qimport audit "$disk" --json
exits 8 "a target that lost committed bytes is found"
check "where they were" named "$at"
serve
run qimport audit "$disk" --json --repair --url "$url"
exits 0 "and repaired"
run qimport resume -q "$disk" --url "$url"
exits 0 "then resume goes on"
assert_identical "$disk" "$expected" "and the disk is the guest"

# ---- --verify finds what went wrong before the end

serve 600000
disk=$scratch/verified
"$QIMPORT" start -q --verify --connections 2 "$url" "$disk" &
pid=$!
background
for _ in $(seq 1200); do
  [ "$(sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT segments_committed FROM import_summary
    WHERE target = '$disk'" 2>/dev/null)" -ge 3 ] 2>/dev/null && break
  sleep 0.05
done
kill -STOP $pid # while the byte is changed, however long that takes
at=$(sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT guest_offset FROM cluster_state
  WHERE committed AND kind <> 'zero' AND import_id = '$(import_of "$disk" .id)' ORDER BY guest_offset DESC LIMIT 1")
flip "$disk.qimport-part" $((at + 100))
kill -CONT $pid
wait $pid
is $? 6 "--verify ends with 6 when a byte on the disk is another"
check "the target is not put in place" [ ! -e "$disk" ]
run qimport audit "$disk" --repair -q
exits 0 "audit --repair mends it"
run qimport resume -q "$disk"
exits 0 "resume then verifies and completes it"
assert_identical "$disk" "$expected" "and the disk is the guest"

# ---- without digests nothing is pretended

serve
run qimport start -q --digest off "$url" "$scratch/bare"
run qimport audit "$scratch/bare"
exits 2 "with --digest off an audit says that it cannot"
check "and why" grep -q -- "--digest off" "$scratch/err"
flip "$scratch/bare" "$zero_at"
run qimport audit "$scratch/bare"
exits 8 "zeros can be audited all the same"
run qimport start -q --digest off --verify "$url" "$scratch/never"
exits 2 "--verify with --digest off is refused before anything is fetched"
check "and nothing is made" [ ! -e "$scratch/never" ]
done_testing
