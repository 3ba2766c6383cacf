#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A wrapped image survives kills without a byte being fetched twice (but what was under way), and
# without what is committed being written again: what was fetched is kept beside the target.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
raw=$image
disk=$scratch/disk kept=$scratch/disk.qimport-fetched
mkdir "$scratch/files"
fresh () { qimport forget "$disk" 2>/dev/null; rm -f "$disk" "$disk.qimport-part"; }
# wrap COMMAND NAME: $image and $length
wrap () {
  image=$scratch/files/disk.$2
  $1 -c <"$raw" >"$image"
  length=$(size_of "$image")
}
serve_slowly () {
  serve_stop
  rm -f "$scratch/nginx/access.log"
  serve_start "$scratch/nginx" "$scratch/files" "$1" || bail "nginx does not start"
  url=$serve_url/${image##*/}
}
# reached PERCENT: so much of the file is kept, or with --no-keep something is committed
reached () {
  for _ in $(seq 200); do
    if [ "$no_keep" = yes ]; then
      [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && return
    elif [ -e "$kept" ]; then
      [ "$(size_of "$kept")" -ge $((length * $1 / 100)) ] && [ -n "$(import_of "$disk" .id 2>/dev/null)" ] && return
    fi
    sleep 0.05
  done
}
# killed PERCENTS OPTION...: a start that is killed, and resumes, when so much is kept
killed () {
  percents=$1
  shift
  no_keep=no
  [ "${1:-}" = --no-keep ] && no_keep=yes
  set -- start -q --commit-interval 0.2 "$@" "$url" "$disk"
  for percent in $percents; do
    "$QIMPORT" "$@" 2>>"$scratch/err" &
    background
    reached "$percent"
    kill_after_ms $! 1
    set -- resume -q "$disk"
  done
}
# ends SENTENCE FACTOR_PERCENT
ends () {
  run "$QIMPORT" resume -q "$disk"
  exits 0 "$1: the last resume ends with 0"
  assert_identical "$disk" "$expected" "$1: the disk is the guest"
  fetched=$(import_of "$disk" .bytes.fetched)
  note "$length bytes, sent $(sent_bytes), told $fetched"
  check "$1: and that is what is told to be fetched" \
    [ "$fetched" -ge "$length" -a "$fetched" -le "$(sent_bytes)" ]
  # under way: what a busy machine had in its sockets at each kill, a quarter of a second of it
  check "$1: at most $2 % of the file is sent, and what was under way" \
    [ "$(sent_bytes)" -le $((length * $2 / 100 + $(echo $percents | wc -w) * 1000000 + 131072)) ]
  check "$1: nothing is left beside the disk" [ ! -e "$kept" ]
  fresh
}

for tool in xz gzip 'zstd -q' bzip2; do
  name=${tool%% *}
  "$QIMPORT" --version | grep -qw "$name" || { skip "$name" "not in this build"; continue; }
  wrap "$tool" "$name"
  serve_slowly 4000000
  killed '40 55 70'
  check "$name: what was fetched is kept" [ -s "$kept" ]
  ends "$name, killed three times" 105
done

# a raw disk, which is not known to be as large as it is before all of it came
within=$raw raw=$expected
for tool in 'xz -0' gzip 'zstd -q' 'bzip2 -1'; do
  name=${tool%% *}
  "$QIMPORT" --version | grep -qw "$name" || continue
  wrap "$tool" "$name"
  serve_slowly 4000000
  killed '40 55 70'
  ends "raw in $name, killed three times" 105
done
raw=$within

wrap "zstd -q" zst
serve_slowly 4000000
killed 60
printf XXXX | dd of="$kept" bs=1 seek=1000000 conv=notrunc status=none
ends "with a damaged file of what was fetched" 200

serve_slowly 4000000
killed 60
head -c 1000 "$kept" >"$scratch/short" && cp "$scratch/short" "$kept"
ends "with one that is cut" 200

serve_slowly 4000000
killed 60
rm "$kept"
ends "with none" 200

serve_slowly 4000000
killed 60 --no-keep
check "--no-keep keeps nothing" [ ! -e "$kept" ]
run "$QIMPORT" resume "$disk"
exits 0 "--no-keep: the resume ends with 0"
check "--no-keep: and says that all is fetched again" grep -q "read again from its start" "$scratch/err"
assert_identical "$disk" "$expected" "--no-keep: the disk is the guest"
fresh

serve_slowly 4000000
killed 60
check "forget: what was fetched is there" [ -e "$kept" ]
qimport forget "$disk"
check "forget: and goes with the import" [ ! -e "$kept" ]
fresh

serve_slowly 4000000
echo mine >"$kept"
run "$QIMPORT" start "$url" "$disk"
exits 0 "a file of that name that is not ours does not matter"
is "$(cat "$kept")" mine "and is left alone"
check "but is told of" grep -q "is no file of what was fetched" "$scratch/err"
rm "$kept"
fresh

serve_slowly 4000000
killed 60
run "$QIMPORT" resume -q --restart "$disk"
exits 0 "--restart begins anew"
check "--restart: all is fetched again" [ "$(sent_bytes)" -ge $((length * 105 / 100)) ]
assert_identical "$disk" "$expected" "--restart: the disk is the guest"
fresh

mkdir "$scratch/spool"
serve_slowly 4000000
kept=$scratch/spool/$(printf %s "$disk" | sha256sum | cut -c -16).qimport-fetched
killed 60 --spool-dir "$scratch/spool"
check "--spool-dir: what was fetched is kept there" [ -s "$kept" ]
ends "--spool-dir" 110

kept=$scratch/disk.qimport-fetched
serve_slowly 4000000
killed 60
run "$QIMPORT" resume -q --spool-dir "$scratch/spool" "$disk"
exits 0 "another --spool-dir at the resume"
is "$(ls "$scratch/spool")$(ls "$kept" 2>/dev/null)" "" "nothing is left, neither there nor where it was before"
fresh

if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=512k none "$scratch/spool" 2>/dev/null; then
  serve_slowly 0
  run "$QIMPORT" start --spool-dir "$scratch/spool" "$url" "$disk"
  umount "$scratch/spool"
  exits 0 "where no more can be kept the import goes on"
  assert_identical "$disk" "$expected" "and the disk is the guest"
  check "is warned of before" grep -q "are free there; see --spool-dir" "$scratch/err"
  check "and says what that means" grep -q "cannot be kept.*a resume will fetch all again" "$scratch/err"
else
  skip "where no more can be kept the import goes on" "it needs a mount"
fi
done_testing
