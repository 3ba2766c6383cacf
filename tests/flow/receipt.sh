#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A receipt is as doc/receipt.schema.json says, at any time of an import's life; it tells what
# happened and how well each thing is known, no secret, and the head of the chain of events.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

has_schema=$(python3 -c 'import jsonschema; print("yes")' 2>/dev/null)
valid () {
  qimport receipt "$1" >"$scratch/receipt" || { not_ok "$2" "no receipt"; return; }
  if [ -z "$has_schema" ]; then
    skip "$2" "python3-jsonschema is not installed"
    return
  fi
  if python3 - "$top_srcdir/doc/receipt.schema.json" "$scratch/receipt" >"$scratch/why" 2>&1 <<'END'
import json, sys, jsonschema
schema, receipt = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.Draft7Validator(schema).validate(receipt)
END
  then ok "$2"; else not_ok "$2" "$(tail -n 12 "$scratch/why")"; fi
}
of () { jq -r "$1" "$scratch/receipt"; }

image deflate 64K
right=$(sha256sum <"$image" | cut -d' ' -f1)
serve 400000
disk=$scratch/disk
secret=s3cr3tword
"$QIMPORT" start -q --connections 2 --sha256 "$right" "$url?token=$secret" "$disk" &
pid=$!
background
for _ in $(seq 100); do
  [ "$(qimport status "$disk" --json 2>/dev/null | jq .segments.committed)" -ge 2 ] 2>/dev/null && break
  sleep 0.1
done
valid "$disk" "while it runs the receipt is valid"
kill -INT $pid
wait $pid
valid "$disk" "interrupted it is valid"
is "$(of '[.state, .interruptions, .finished_at, .digests.image_sha256] | tostring')" \
   '["interrupted",1,null,null]' "and says so"
is "$(of .verification.image_sha256_checked)" false "nothing is said to be checked before it is"
head=$(of .chain.head)
serve
run qimport resume -q "$disk" --url "$url?token=$secret"
exits 0 "the import is completed"
valid "$disk" "complete it is valid"
is "$(of '[.state, .attempts, .interruptions, (.error == null)] | tostring')" '["complete",2,1,true]' \
  "it counts attempts and interruptions"
is "$(of '[.verification.source_identity, .verification.image_sha256_computed, .verification.image_sha256_checked,
           .verification.target_audited] | tostring')" '["strong",true,true,false]' \
  "it says how well each thing is known"
is "$(of '.digests.image_sha256')" "$right" "the SHA-256 of the image is there"
is "$(of '[.events[].kind] | map (select (. == "started" or . == "interrupted" or . == "resumed" or . == "completed")) | join (" ")')" \
  "started interrupted resumed completed" "and the story"
is "$(of .user)" "$(id -un)" "who"
is "$(of .source[0].final_host)" "${serve_url#http://}" "from which host"
is "$(of .target.path)" "$disk" "to where"
is "$(grep -c "$secret" "$scratch/receipt")" 0 "the secret of the URL is not in it"
is "$(of .source[0].url_had_secret)" true "only that there was one"
check "the head of the chain moved on" [ "$(of .chain.head)" != "$head" ]
is "$(of .chain.head)" "$(sqlite3 -readonly "$QIMPORT_JOURNAL" 'SELECT lower (hex (chain)) FROM event ORDER BY key DESC LIMIT 1')" \
  "it is that of the last event"
# As doc/digests.md says it, from the events of the log.
is "$(qimport log "$disk" --json | python3 -c '
import hashlib, json, sys
chain = bytes(32)
for e in json.load(sys.stdin)["events"]:
    text = b"".join(e[k].encode() + b"\0" for k in ("at", "kind", "detail"))
    chain = hashlib.sha256(chain + text).digest()
print(chain.hex())')" "$(of .chain.head)" "and can be computed from the log"

run qimport audit -q "$disk"
valid "$disk" "audited it is valid"
is "$(of '[.verification.target_audited, (.audits | length), .audits[0].kind] | tostring')" '[true,1,"audited"]' \
  "and lists the audit"
check "with a root digest" [ "$(of '.digests.target_root_sha256 | length')" = 64 ]

run sh -c 'cat "$1" | "$QIMPORT" start -q --digest off - "$2"' pipe "$image" "$scratch/piped"
valid "$scratch/piped" "of a pipe it is valid"
is "$(of '[.source[0].length == null or .source[0].length > 0, .image.read_as_stream, .verification.segment_digests] | tostring')" \
  '[true,true,false]' "and says that it was one, without digests"
is "$(qimport receipt 2>/dev/null | wc -l)" "$(qimport receipt 2>/dev/null | jq -s length)" "without an ID one receipt a line"
done_testing
