#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What publishers publish, from one command line each: published.tsv has the paths, the layouts of
# the files of checksums and the signatures; all of it is made here and served from loopback.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

site=$scratch/site disk=$scratch/disk
GNUPGHOME=$scratch/gpg
mkdir -m 700 "$site" "$GNUPGHOME"
export GNUPGHOME
trap 'gpgconf --kill all; finish' EXIT
for who in publisher stranger; do
  gpg --batch --quiet --passphrase '' --quick-gen-key $who@example.org ed25519 sign 2>/dev/null || bail gpg
  gpg --batch --export --armor $who@example.org >"$scratch/$who.asc"
done
sign () { gpg --batch --quiet --local-user publisher@example.org --output "$@" || bail gpg; }

# ---- the disk, in every format and wrapper

head -c 1M /dev/urandom >"$scratch/raw"
echo "start=64, type=83" | sfdisk -q "$scratch/raw" || bail sfdisk
qemu-img convert -f raw -O qcow2 "$scratch/raw" "$scratch/qcow2" || bail qemu-img
expected=$scratch/raw
# made FORMAT WRAPPER: into $made
made () {
  made=$scratch/$1
  case $2 in
    -) return ;;
    zstd) zstd -q -f -c "$made" >"$made.w" ;;
    *) $2 -c "$made" >"$made.w" ;;
  esac
  made=$made.w
}

# ---- the files of checksums

hex () { "${1}sum" <"$made" | cut -d' ' -f1; }
other () { hex "$1" | tr 0-9a-f 1-9a-f0; }
upper () { echo "$1" | tr a-z A-Z; }
# layout LAYOUT NAME ALGORITHM...
layout () {
  form=$1 name=$2
  shift 2
  case $form in
    digests)
      for a in "$@"; do printf '# %s HASH\n%s  %s\n' "$(upper "$a")" "$(hex "$a")" "$name"; done
      printf '# BLAKE2B HASH\n%s  %s\n' "$(other sha512)" "$name" ;;
    coreutils | binary | directories)
      case $form in
        coreutils) before=' ' ;;
        binary) before='*' ;;
        directories) before=' _out/' ;;
      esac
      printf "%s $before%s\n" "$(other "$1")" a-first "$(hex "$1")" "$name" "$(other "$1")" "$name.manifest" ;;
    bsd) printf "$(upper "$1") (%s) = %s\n" "$name.vmdk" "$(other "$1")" "$name" "$(hex "$1")" ;;
    bsd-sizes)
      printf "# %s: 123456 bytes\n$(upper "$1") (%s) = %s\n" other other "$(other "$1")" "$name" "$name" "$(hex "$1")" ;;
    bare) hex "$1" ;;
    coreos)
      printf '{"stream": "stable", "architectures": {"x86_64": {"artifacts": {"qemu": {"release": "41", "formats":
        {"qcow2.xz": {"disk": {"location": "https://builds.example.org/%s", "signature": "https://builds.example.org/%s.sig",
        "sha256": "%s", "uncompressed-sha256": "%s"}}}}}}}}\n' "$name" "$name" "$(hex sha256)" "$(other sha256)" ;;
    simplestreams)
      printf '{"format": "products:1.0", "products": {"com.ubuntu.cloud:server:24.04:amd64": {"versions": {"20250115":
        {"items": {"disk1.img": {"ftype": "disk1.img", "md5": "%s", "path": "server/releases/%s", "sha256": "%s", "size": 1},
        "root.tar.xz": {"ftype": "root.tar.xz", "path": "server/releases/root.tar.xz", "sha256": "%s"}}}}}}}\n' \
        "$(hex md5)" "$name" "$(hex sha256)" "$(other sha256)" ;;
    releases)
      printf '{"tag_name": "14.1", "assets": [{"name": "other", "digest": "sha256:%s"}, {"name": "%s", "size": 1,
        "digest": "sha256:%s", "browser_download_url": "https://example.org/releases/%s"}]}\n' \
        "$(other sha256)" "$name" "$(hex sha256)" "$name" ;;
    typed)
      printf '{"versions": [{"providers": [{"name": "libvirt", "url": "https://example.org/%s", "checksum": "%s",
        "checksum_type": "%s"}]}]}\n' "$image_path" "$(hex "$1")" "$1" ;;
    *) bail "no layout $form" ;;
  esac
}

# ---- each of them

# start OPTION...: of this row's image
start () {
  rm -f "$disk"
  # shellcheck disable=SC2086
  run qimport start -q $sums_option "$@" "$serve_url/$image_path" "$disk"
}
away () {
  check "$1" [ ! -e "$disk" ]
  for id in $(qimport status --json | jq -r '.imports[].id'); do qimport forget "$id"; done
  rm -f "$disk" "$disk".*
}

serve_start "$scratch/nginx" "$site" || bail "nginx does not start"
rows=0
while IFS='	' read -r who image_path wrapper format sums form algorithms signature <&3; do
  case $who in '#'* | '') continue ;; esac
  rows=$((rows + 1))
  [ "$wrapper" = - ] || qimport --version | grep -qw "$wrapper" || { skip "$who" "$wrapper is not in this build"; continue; }
  file=$site/$(echo "$image_path" | sed 's/%20/ /g; s/%2B/+/g')
  rm -rf "${site:?}"/*
  made "$format" "$wrapper"
  mkdir -p "$(dirname "$file")" "$(dirname "$site/$sums")"
  cp "$made" "$file"
  sums_option=
  if [ "$sums" != - ]; then
    # shellcheck disable=SC2046
    layout "$form" "$(basename "$file")" $(echo "$algorithms" | tr , ' ') >"$site/$sums"
    sums_option="--checksums $serve_url/$sums"
  fi
  signed=
  case $signature in
    -) ;;
    within) sign "$site/$sums.new" --clear-sign "$site/$sums" && mv "$site/$sums.new" "$site/$sums" ;;
    image:*) sign "$site/${signature#image:}" --detach-sign "$file" ;;
    *.asc | *.gpg) sign "$site/$signature" --armor --detach-sign "$site/$sums" ;;
    *) sign "$site/$signature" --detach-sign "$site/$sums" ;;
  esac
  [ "$signature" = - ] || signed="--signed-by $scratch/publisher.asc"
  # shellcheck disable=SC2086
  start $signed
  exits 0 "$who: 0"
  assert_identical "$disk" "$expected" "  every byte is right"
  strongest=${algorithms##*,}
  [ "$strongest" != - ] || strongest=sha256
  is "$(qimport receipt "$disk" | jq -r '[.digests.image_checksum_expected, (.verification.signed_by != null),
      .verification.image_checksum_checked] | join (" ")')" \
    "$strongest:$(hex "$strongest") $([ -n "$signed" ] && echo true || echo false) true" "  checked by its $strongest${signed:+, signed}"
  qimport forget "$disk"
  if [ -n "$signed" ]; then
    start --signed-by "$scratch/stranger.asc"
    exits 4 "  a stranger's key: 4"
    away "  and nothing is there"
  fi
  printf X | dd of="$file" bs=1 seek=700000 conv=notrunc status=none
  # shellcheck disable=SC2086
  start $signed
  check "  an image that is another byte is refused" [ "$rc" = 4 -o "$rc" = 5 ]
  away "  and does not get its name"
done 3<"$top_srcdir/tests/flow/published.tsv"
check "$rows rows were read" [ "$rows" -ge 30 ]
done_testing
