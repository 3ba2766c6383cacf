#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --sha256 and --checksums hold over interruptions; an image that has another digest never gets
# the target's name (N11, D6).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
needs nginx qemu-img jq mkfs.ext4 sfdisk

image deflate 64K 48
right=$(sha256sum <"$image" | cut -d' ' -f1)
wrong=$(echo "$right" | tr 0-9a-f 1-9a-f0)
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
done

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
