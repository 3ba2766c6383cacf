#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --signed-by: nothing is written unless a key of the keyring signed the file of checksums, or the
# image; only what it signed counts; and receipt, status and report say who it was.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

site=$scratch/site GNUPGHOME=$scratch/gpg
mkdir -m 700 "$site" "$GNUPGHOME"
export GNUPGHOME
trap 'gpgconf --kill all; finish' EXIT
sign () { gpg --batch --quiet --yes --local-user "$@" 2>"$scratch/gpg.err" || bail "gpg: $(cat "$scratch/gpg.err")"; }
# key NAME [EXPIRES [GPG-OPTION...]]: $fpr
key () {
  name=$1 expires=${2:-0}
  [ $# -lt 2 ] || shift
  shift
  gpg --batch --quiet "$@" --passphrase '' --quick-gen-key "$name <$name@example.org>" ed25519 sign "$expires" \
    2>"$scratch/gpg.err" || bail "gpg: $(cat "$scratch/gpg.err")"
  gpg --batch --export "$name" >"$scratch/$name.gpg" 2>/dev/null
  gpg --batch --armor --export "$name" >"$scratch/$name.asc" 2>/dev/null
  fpr=$(gpg --batch --with-colons --list-keys "$name" 2>/dev/null | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 1)
}
key publisher
publisher=$fpr
key stranger
head -c 3M /dev/urandom >"$scratch/raw"
qemu-img convert -f raw -O qcow2 "$scratch/raw" "$site/disk.qcow2" || bail qemu-img
expected=$scratch/raw image=$site/disk.qcow2 disk=$scratch/disk
right=$(sha256sum <"$image" | cut -d' ' -f1)
wrong=$(echo "$right" | tr 0-9a-f 1-9a-f0)
serve_start "$scratch/nginx" "$site" || bail "nginx does not start"
url=$serve_url/disk.qcow2 sums=$site/CHECKSUM

afresh () { qimport forget "$disk" >/dev/null 2>&1; rm -rf "$disk" "$disk".*; }
# taken WHAT OPTION...
taken () {
  what=$1
  shift
  afresh
  run qimport start "$@" "$url" "$disk"
  exits 0 "$what: 0"
  is "$(qimport receipt "$disk" | jq -r '[.verification.signed_by, .verification.checksum_from,
      .verification.image_checksum_checked] | join (" ")')" "$publisher ${from:-file} true" "  by whom, the receipt says"
}
# refused STATUS PATTERN WHAT OPTION...
refused () {
  status=$1 pattern=$2 what=$3
  shift 3
  afresh
  run qimport start -q "$@" "$url" "$disk"
  exits "$status" "$what: $status"
  check "  it says why" grep -q -- "$pattern" "$scratch/err"
  is "$(find "$scratch" -maxdepth 1 -name 'disk*'; qimport status --json | jq '.imports | length')" 0 "  nothing is made"
}

# ---- clear-signed

printf '# disk.qcow2: 1 bytes\nSHA256 (disk.qcow2) = %s\n' "$right" >"$scratch/text"
sign publisher --output "$sums" --clear-sign "$scratch/text"
taken "a clear-signed file, an armored keyring" --checksums "$serve_url/CHECKSUM" --signed-by "$scratch/publisher.asc"
check "  the last line says it too" grep -q "signed by $publisher" "$scratch/err"
run qimport status "$disk"
check "  and status" grep -q "signed by $publisher" "$scratch/out"
is "$(import_of "$disk" '[.image.checksum_from, .image.signed_by] | join (" ")')" "file $publisher" "  and its JSON"
run qimport report "$disk" -o "$scratch/report.html"
check "  and the report" grep -q "signed-by=$publisher" "$scratch/report.html"
taken "a binary one" --checksums "$sums" --signed-by "$scratch/publisher.gpg"
cat "$scratch/stranger.asc" "$scratch/publisher.asc" >"$scratch/both.asc"
taken "two keys in one" --checksums "$sums" --signed-by "$scratch/both.asc"
refused 4 "keyring does not have" "a stranger's key" --checksums "$sums" --signed-by "$scratch/stranger.gpg"
sed "s/$right/$wrong/" "$sums" >"$site/altered"
refused 4 "other bytes" "an altered file" --checksums "$serve_url/altered" --signed-by "$scratch/publisher.gpg"
{ echo "$wrong  disk.qcow2"; cat "$sums"; } >"$site/above"
{ cat "$sums"; echo "$wrong  disk.qcow2"; } >"$site/below"
for at in above below; do
  taken "a line $at the signed block is none of it" --checksums "$serve_url/$at" --signed-by "$scratch/publisher.gpg"
done
{ echo "$right  disk.qcow2"; sed 's/disk/other/' "$sums"; } >"$site/not-in-it"
afresh
run qimport start -q --checksums "$serve_url/above" "$url" "$disk"
exits 0 "not even where no signature is asked for: 0"
is "$(qimport receipt "$disk" | jq -r '[.verification.signed_by, .verification.checksum_from] | join (" ")')" " file" \
  "  the receipt says that nobody signed"
run qimport status "$disk"
check "  and status that it is unsigned" grep -q "checksum, unsigned" "$scratch/out"
refused 4 "no digest of disk.qcow2" "and none within it is none at all" --checksums "$serve_url/not-in-it"
{ cat "$sums"; cat "$sums"; } >"$site/twice"
refused 4 "several clear-signed blocks" "two blocks" --checksums "$serve_url/twice" --signed-by "$scratch/publisher.gpg"

# What was signed at the start holds to the end; another checksum that is given later is nobody's.
afresh
run qimport start -q --limit-rate 1M --max-time 1 --checksums "$sums" --signed-by "$scratch/publisher.gpg" "$url" "$disk"
exits 3 "interrupted: 3"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "and resumed: 0"
is "$(qimport receipt "$disk" | jq -r .verification.signed_by)" "$publisher" "  it is signed still"
afresh
run qimport start -q --limit-rate 1M --max-time 1 --checksums "$sums" --signed-by "$scratch/publisher.gpg" "$url" "$disk"
run qimport resume -q --limit-rate 0 --sha256 "$wrong" "$disk"
exits 4 "resumed with another checksum: 4"
is "$(qimport receipt "$disk" | jq -r '[.verification.signed_by, .verification.checksum_from] | join (" ")')" " option" \
  "  which nobody signed"

# A resume may be told of the publisher, and one that begins anew asks what was asked before.
begun () { # OPTION...
  afresh
  run qimport start -q --limit-rate 1M --max-time 1 "$@" "$url" "$disk"
  [ "$rc" = 3 ] || not_ok "interrupted" "exit status $rc"
}
goes_on () { # SENTENCE OPTION...
  what=$1
  shift
  run qimport resume -q --limit-rate 0 "$@" "$disk"
  exits 0 "$what: 0"
  is "$(qimport receipt "$disk" | jq -r .verification.signed_by)" "$publisher" "  it is signed"
}
begun
goes_on "signed as is said at the resume only" --checksums "$sums" --signed-by "$scratch/publisher.gpg"
begun
run qimport resume -q --limit-rate 0 --checksums "$sums" --signed-by "$scratch/stranger.gpg" "$disk"
exits 4 "and not signed by those: 4"
cp "$image" "$site/latest.qcow2"
sed 's/ disk/ latest/; s/(disk/(latest/' "$scratch/text" >"$scratch/of-latest"
rm -f "$site/LATEST"
sign publisher --output "$site/LATEST" --clear-sign "$scratch/of-latest"
image_url=$url url=$serve_url/latest.qcow2
begun --checksums "$serve_url/LATEST" --signed-by "$scratch/publisher.gpg"
qemu-img convert -q -f raw -O qcow2 -o cluster_size=32K "$expected" "$site/latest.qcow2"
sed "s/[0-9a-f]\{64\}/$(sha256sum <"$site/latest.qcow2" | cut -d' ' -f1)/" "$scratch/of-latest" >"$scratch/of-newest"
rm "$site/LATEST"
sign publisher --output "$site/LATEST" --clear-sign "$scratch/of-newest"
run qimport resume -q --limit-rate 0 "$disk"
exits 4 "an image that is another one now: 4"
cd / && goes_on "begun anew it is what is published now" --restart
cd "$OLDPWD"
assert_identical "$disk" "$expected" "  and it is right"
url=$image_url

# ---- detached

printf '%s  disk.qcow2\n' "$right" >"$site/SUMS"
for suffix in asc sig gpg sign; do
  armor=
  [ $suffix != asc ] || armor=--armor
  sign publisher $armor --output "$site/SUMS.$suffix" --detach-sign "$site/SUMS"
  taken "a detached signature at .$suffix" --checksums "$serve_url/SUMS" --signed-by "$scratch/publisher.gpg"
  mv "$site/SUMS.$suffix" "$site/elsewhere"
done
refused 4 "--signature" "none there" --checksums "$serve_url/SUMS" --signed-by "$scratch/publisher.gpg"
taken "--signature URL" --checksums "$serve_url/SUMS" --signature "$serve_url/elsewhere" --signed-by "$scratch/publisher.gpg"
taken "--signature FILE" --checksums "$site/SUMS" --signature "$site/elsewhere" --signed-by "$scratch/publisher.gpg"
cp "$sums" "$site/SUMS.asc"
refused 4 "its signature\|no OpenPGP" "a clear-signed text is no signature of another file" \
  --checksums "$serve_url/SUMS" --signed-by "$scratch/publisher.gpg"
echo "<html>not found</html>" >"$site/SUMS.asc"
cp "$site/elsewhere" "$site/SUMS.sig"
taken "a page of words where a signature could be is passed over" --checksums "$serve_url/SUMS" \
  --signed-by "$scratch/publisher.gpg"
rm "$site"/SUMS.*

# ---- keys that do not count

key expired 1y --faked-system-time 20200101T000000
sign expired --faked-system-time 20200201T000000 --output "$site/SUMS.sig" --detach-sign "$site/SUMS"
refused 4 "expired" "an expired key" --checksums "$serve_url/SUMS" --signed-by "$scratch/expired.gpg"
key revoked
sign revoked --output "$site/SUMS.sig" --detach-sign "$site/SUMS"
sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$fpr.rev" | gpg --batch --quiet --import 2>/dev/null
gpg --batch --export revoked >"$scratch/revoked.gpg"
refused 4 "revoked" "a revoked key" --checksums "$serve_url/SUMS" --signed-by "$scratch/revoked.gpg"
rm "$site"/SUMS.sig

# ---- wrong usage

refused 2 "--signed-by" "--signature without --signed-by" --checksums "$sums" --signature "$site/elsewhere"
refused 2 "cannot be read" "no such keyring" --checksums "$sums" --signed-by "$scratch/none"
refused 2 "no OpenPGP keys" "what is no keyring" --checksums "$sums" --signed-by "$image"
refused 2 "none" "no such file of checksums" --checksums "$scratch/none"
refused 2 "none" "no such signature" --checksums "$sums" --signature "$scratch/none" --signed-by "$scratch/publisher.gpg"
refused 4 "none" "no such file at the server" --checksums "$serve_url/none"
(
  PATH=/nonexistent
  "$QIMPORT" start -q --checksums "$sums" --signed-by "$scratch/publisher.gpg" "$url" "$disk" 2>"$scratch/err"
)
rc=$?
exits 2 "gpgv is not installed: 2"
check "  and that is said" grep -q "install the package gpgv" "$scratch/err"

# ---- the image's own signature

from=signature
sign publisher --armor --output "$site/disk.qcow2.asc" --detach-sign "$image"
taken "the image's own signature" --signed-by "$scratch/publisher.gpg"
assert_identical "$disk" "$expected" "  every byte is right"
taken "and a checksum beside it" --signed-by "$scratch/publisher.gpg" --sha256 "$right"
taken "of a stream" --signed-by "$scratch/publisher.gpg" --stream
mv "$site/disk.qcow2.asc" "$scratch/own"
taken "said where it is" --signed-by "$scratch/publisher.gpg" --signature "$scratch/own"
refused 4 "checksum" "another checksum" --signed-by "$scratch/publisher.gpg" --signature "$scratch/own" --sha256 "$wrong"
refused 4 "other bytes" "a signature of something else" --signed-by "$scratch/publisher.gpg" --signature "$site/elsewhere"
: >"$scratch/empty"
refused 4 "empty" "an empty one" --signed-by "$scratch/publisher.gpg" --signature "$scratch/empty"
refused 4 "beside the image" "none" --signed-by "$scratch/publisher.gpg"
afresh
run sh -c 'cat "$4" | "$QIMPORT" start -q --signed-by "$1" --signature "$2" - "$3"' sh "$scratch/publisher.gpg" "$scratch/own" "$disk" "$image"
exits 2 "a pipe cannot be read twice: 2"
done_testing
