#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --checksum of any algorithm, --sha256 and --checksums hold over interruptions; an image that has
# another digest never gets the target's name (N11, D6).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K 48
right=$(sha256sum <"$image" | cut -d' ' -f1)
wrong=$(echo "$right" | tr 0-9a-f 1-9a-f0)
right512=$(sha512sum <"$image" | cut -d' ' -f1)
say_seed

# interrupted TARGET OPTION...: started, and killed twice in the middle
interrupted () {
  target=$1
  shift
  "$QIMPORT" start -q --limit-rate 4M "$@" "$url" "$target" &
  for _ in 1 2; do
    background
    random_below 700
    sleep_ms $((700 + random))
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    "$QIMPORT" resume -q "$target" 2>"$scratch/err" &
  done
  background
  wait $!
  rc=$?
}

for how in "" /plain; do
  serve
  url=$serve_url$how/${image##*/}
  what=${how:+a stream, }
  interrupted "$scratch/good" --sha256 "$right"
  exits 0 "${what}right --sha256, killed twice: 0"
  assert_identical "$scratch/good" "$expected" "${what}the target is the guest"
  is "$(import_of "$scratch/good" .image.sha256)" "$right" "${what}status tells the digest"
  interrupted "$scratch/bad" --sha256 "$wrong"
  exits 4 "${what}wrong --sha256, killed twice: 4"
  check "${what}the target did not get its name" [ ! -e "$scratch/bad" ]
  check "${what}both digests are named" grep -q "$right.*$wrong" "$scratch/err"
  is "$(import_of "$scratch/bad" .error.code)" checksum-differs "${what}status says why"
  run qimport resume -q "$scratch/bad"
  exits 4 "${what}resume says the same again"
  check "${what}still without its name" [ ! -e "$scratch/bad" ]
  run qimport forget "$scratch/bad"
  rm -f "$scratch"/good "$scratch"/bad*
  interrupted "$scratch/good" --checksum "SHA-512:$right512"
  exits 0 "${what}right --checksum of SHA-512, killed twice: 0"
  assert_identical "$scratch/good" "$expected" "${what}the target is the guest"
  is "$(import_of "$scratch/good" '[.image.sha256, .image.checksum] | tostring')" "[null,\"sha512:$right512\"]" \
    "${what}status tells the checksum"
  rm -f "$scratch"/good "$scratch"/bad*
done

# ---- every algorithm, and what is no checksum

url=$serve_url/${image##*/}
for algorithm in sha512 sha384 sha224 sha1 md5; do
  hex=$(${algorithm}sum <"$image" | cut -d' ' -f1)
  run qimport start -q --checksum "$algorithm:$hex" "$url" "$scratch/good"
  exits 0 "right $algorithm: 0"
  run qimport receipt "$scratch/good"
  is "$(jq -r '[.digests.image_checksum, .digests.image_checksum_expected, .digests.image_sha256,
      .verification.image_checksum_checked, .verification.checksum_from] | join (" ")' "$scratch/out")" \
    "$algorithm:$hex $algorithm:$hex  true option" "the receipt tells it"
  rm -f "$scratch/good"
  run qimport start -q --force --checksum "$algorithm:$(echo "$hex" | tr 0-9a-f 1-9a-f0)" "$url" "$scratch/bad"
  exits 4 "wrong $algorithm: 4"
  sed 's/SHA-/sha/' "$scratch/err" >"$scratch/err.plain"
  check "the algorithm and both digests are named" grep -qi "$algorithm is $hex, not " "$scratch/err.plain"
  check "the target did not get its name" [ ! -e "$scratch/bad" ]
  run qimport forget "$scratch/bad"
  rm -f "$scratch"/good "$scratch"/bad*
done
for wrongly in "sha512:$right" "$right512" "blake2b:$right512" sha256: "md5:$right" ":$right"; do
  run qimport start -q --checksum "$wrongly" "$url" "$scratch/none"
  exits 2 "--checksum $(echo "$wrongly" | cut -c1-12)... is no checksum: 2"
done
run qimport start -q --sha256 "sha256:$right" "$url" "$scratch/good"
exits 0 "--sha256 takes its own name before the digits"
run qimport ensure -q --checksum "sha256:$right" "$url" "$scratch/good"
exits 0 "ensure with the same checksum, in the other spelling: 0"
run qimport ensure -q --checksum "sha512:$right512" "$url" "$scratch/good"
exits 4 "ensure with one that cannot be compared: 4"
rm -f "$scratch/good"

# A checksum of another algorithm comes too late for what was hashed already.
"$QIMPORT" start -q --limit-rate 4M --checksum "sha512:$right512" "$url" "$scratch/late" &
background
for _ in $(seq 200); do
  [ "$(import_of "$scratch/late" .segments.committed 2>/dev/null)" -ge 2 ] 2>/dev/null && break
  sleep 0.05
done
kill -9 $!
wait $! 2>/dev/null
run qimport resume -q --sha256 "$right" "$scratch/late"
exits 2 "another algorithm at resume: 2"
check "and how to begin anew is told" grep -q -- "--restart --checksum" "$scratch/err"
run qimport resume -q --restart --sha256 "$right" "$scratch/late"
exits 0 "with --restart it counts"
is "$(qimport receipt "$scratch/late" | jq -r '[.digests.image_sha256_expected, .verification.image_sha256_checked] | join (" ")')" \
  "$right true" "and the receipt says so"

serve
# A published list: the name in it is the URL's last part.
url=$serve_url/${image##*/}
printf '%s  %s\n%s *%s\n' "$wrong" other.qcow2 "$right" "${image##*/}" >"$scratch/SHA256SUMS"
run qimport start -q --checksums "$scratch/SHA256SUMS" "$url" "$scratch/good"
exits 0 "--checksums with the right digest: 0"
is "$(qimport receipt "$scratch/good" | jq -r .digests.image_sha256_expected)" "$right" \
  "the receipt says what it was checked against"
printf '%s  %s\n' "$wrong" "${image##*/}" >"$scratch/SHA256SUMS"
interrupted "$scratch/bad" --checksums "$scratch/SHA256SUMS"
exits 4 "--checksums with a wrong one, killed twice: 4"
check "and the target did not get its name" [ ! -e "$scratch/bad" ]
printf '%s  %s\n' "$right" another.qcow2 >"$scratch/SHA256SUMS"
run qimport start -q --checksums "$scratch/SHA256SUMS" "$url" "$scratch/none"
check "a list without the name is refused" [ "$rc" -ne 0 ]
check "before anything is made" [ ! -e "$scratch/none" ]
done_testing
