#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --fix-gpt: the backup of a GUID partition table comes to the end of a target that is larger than
# the disk; an audit still tells what is ours, and a crash in the middle of it is gone on from.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"

PATH=$PATH:/sbin:/usr/sbin
cd "$scratch" || exit 99
loops=
trap 'for l in $loops; do losetup -d "$l" 2>/dev/null; done; finish' EXIT
fresh () {
  qimport -q forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
}
# raw_of NAME SECTORS: a GPT (SECTORS of 512 bytes in all), two partitions with something in them
raw_of () {
  truncate -s $(($2 * 512)) "$1.raw"
  printf 'label: gpt\nstart=2048, size=4096, type=linux, name=one\nstart=6144, size=%s, type=linux, name=two\n' \
    $(($2 - 6144 - 34)) | sfdisk -q "$1.raw" || bail "no GPT"
  for at in 1 2 3 5; do head -c 300000 /dev/urandom | dd of="$1.raw" bs=1M seek=$at conv=notrunc status=none; done
}
image_of () { qemu-img convert -q -c -O qcow2 "$1.raw" "$1.qcow2"; }
# loop FILE OPTIONS...: $loop
loop () {
  file=$1
  shift
  loop=$(losetup -f --show "$@" "$file" 2>/dev/null) || bail "no loop device is free"
  loops="$loops $loop"
}
# sound_gpt FILE WHAT
sound_gpt () {
  check "$2: sgdisk finds no problems" sh -c 'sgdisk -v "$1" 2>&1 | grep -q "^No problems found"' - "$1"
  run sfdisk --verify "$1"
  check "$2: nor does sfdisk" sh -c '
    grep -q "^No errors detected" out && ! grep -Eqi "mismatch|corrupt|not on the end" out err'
}
# table_of FILE SECTOR_SIZE: partitions, without what depends on the device
table_of () { sfdisk -J "$1" | jq -c '.partitiontable | [.id, .firstlba, (.partitions[] | [.start, .size, .type, .uuid, .name])]'; }
usable () { sfdisk -J "$1" | jq .partitiontable.lastlba; }
audited () { # WHAT RAW
  run qimport audit "$disk" --json
  exits 0 "$1: the audit finds it as it was imported"
  is "$(jq -r .root_digest out)" "$(python3 "$top_srcdir/doc/examples/root-digest.py" "$2")" \
    "$1: with the root digest of the image's disk"
}

sectors=16384
raw_of gpt $sectors
image_of gpt
size=$(size_of gpt.raw)
disk=$scratch/disk

# ---- a larger file

large=$((size + (5 << 20)))
run qimport start -q --size $large --fix-gpt gpt.qcow2 "$disk"
exits 0 "a file: the backup is moved"
is "$(cat err)" "" "  and nothing is warned of"
sound_gpt "$disk" "a file"
is "$(table_of "$disk")" "$(table_of gpt.raw)" "a file: the partitions are what they were"
is "$(usable "$disk")" $((large / 512 - 34)) "a file: all of it can be used"
check "a file: only the two first sectors of the disk are others" \
  [ "$(cmp -l -n "$size" gpt.raw "$disk" | awk '$1 > 1024' | wc -l)" = 0 ]
check "a file: the log says from where to where" sh -c \
  '"$QIMPORT" log "$1" | grep -q "from sector $2 to $3"' - "$disk" $((sectors - 1)) $((large / 512 - 1))
audited "a file" gpt.raw
run qimport ensure --size $large --fix-gpt gpt.qcow2 "$disk"
is "$rc:$(cat out err)" 0: "a file: ensured again: quiet and 0"
cp "$disk" moved.raw
for at in 450 520 700 1048600; do
  printf X | dd of="$disk" bs=1 seek=$at conv=notrunc status=none
  run qimport audit "$disk"
  exits 8 "a file: another byte at $at is found"
  run qimport audit -q --repair "$disk"
  exits 0 "a file:   and repaired"
  assert_identical "$disk" moved.raw "a file:   to what the import made of it"
done
dd if=gpt.raw of="$disk" bs=512 count=2 conv=notrunc status=none
run qimport audit "$disk"
exits 8 "a file: the image's own sectors are not what it must have"
run qimport audit -q --repair "$disk"
exits 0 "a file:   which is repaired, too"
assert_identical "$disk" moved.raw "a file:   to what the import made of it"
fresh
run qimport start -q --verify --size $large --fix-gpt --stream gpt.qcow2 "$disk"
exits 0 "a stream, verified: the backup is moved"
assert_identical "$disk" moved.raw "  likewise"
fresh

# ---- where there is a backup's room less than whole, or none

run qimport start -q --size $((size + 512)) --fix-gpt gpt.qcow2 "$disk"
exits 0 "a sector larger: the backup is moved over the old one"
sound_gpt "$disk" "a sector larger"
audited "a sector larger" gpt.raw
printf X | dd of="$disk" bs=1 seek=$((size - 3000)) conv=notrunc status=none
run qimport audit "$disk"
exits 8 "a sector larger: another byte in the backup is found"
run qimport audit -q --repair "$disk"
exits 0 "a sector larger:   and repaired"
sound_gpt "$disk" "a sector larger, repaired"
fresh
cp gpt.raw grown.raw
truncate -s $large grown.raw
image_of grown
run qimport start -q --fix-gpt grown.qcow2 "$disk"
exits 0 "an image that was made larger itself: the backup is moved"
sound_gpt "$disk" "made larger itself"
is "$(usable "$disk")" $((large / 512 - 34)) "made larger itself: all of it can be used"
audited "made larger itself" grown.raw
fresh
run qimport start --progress none -v --fix-gpt gpt.qcow2 "$disk"
exits 0 "a target as large as the disk: there is nothing to do"
assert_identical "$disk" gpt.raw "  and nothing is done"
check "  which the log says" sh -c '"$QIMPORT" log "$1" | grep -q "at the end already"' - "$disk"
fresh

# ---- what is left alone, and said

left () { # NAME WORDS
  image_of "$1"
  run qimport start --progress none --size $large --fix-gpt "$1.qcow2" "$disk"
  exits 0 "$1: it is imported"
  check "$1: it is said that nothing is changed" grep -q "fix-gpt changes nothing.*$2" err
  check "$1: and nothing is" cmp -n "$size" "$1.raw" "$disk"
  fresh
}
truncate -s "$size" mbr.raw none.raw
printf 'label: dos\nstart=2048, type=83\n' | sfdisk -q mbr.raw
left mbr 'an MBR and no GPT'
left none 'no partition table'
for f in header entries start; do cp gpt.raw $f.raw; done
printf X | dd of=header.raw bs=1 seek=$((512 + 45)) conv=notrunc status=none
left header 'damaged.*header'
printf X | dd of=entries.raw bs=1 seek=$((1024 + 20)) conv=notrunc status=none
left entries 'damaged.*entries'
dd if=/dev/zero of=start.raw bs=512 seek=1 count=1 conv=notrunc status=none
left start 'damaged.*no header'
run qimport start -q --fix-gpt --keep-format gpt.qcow2 "$disk"
exits 2 "it does not go with --keep-format"

# ---- devices

truncate -s "$large" device
loop device
disk=$loop
run qimport start -q --fix-gpt gpt.qcow2 "$disk"
exits 0 "a device: the backup is moved"
sound_gpt "$disk" "a device"
is "$(table_of "$disk")" "$(table_of gpt.raw)" "a device: the partitions are what they were"
audited "a device" gpt.raw
cmp "$disk" moved.raw >cmp 2>&1 && ok "a device: it is what the file was" || not_ok "a device: it is what the file was" "$(cat cmp)"
printf X | dd of="$disk" bs=1 seek=600 conv=notrunc status=none
run qimport audit -q --repair "$disk"
exits 0 "a device: another byte is repaired"
cmp "$disk" moved.raw >cmp 2>&1 && ok "a device:   to what it was" || not_ok "a device:   to what it was" "$(cat cmp)"

# a table for sectors of 4096 bytes
truncate -s "$size" wide.raw
loop wide.raw -b 4096
if [ "$(blockdev --getss "$loop")" != 4096 ]; then
  skip "sectors of 4096 bytes" "loop devices have no such sectors here"
else
  printf 'label: gpt\nstart=256, size=512, type=linux, name=one\n' | sfdisk -q "$loop" 2>err || bail "no GPT: $(cat err)"
  head -c 300000 /dev/urandom | dd of="$loop" bs=4096 seek=256 conv=notrunc,fsync status=none
  losetup -d "$loop"
  image_of wide
  truncate -s "$large" device4
  loop device4 -b 4096
  disk=$loop
  run qimport start -q --fix-gpt wide.qcow2 "$disk"
  exits 0 "sectors of 4096: the backup is moved"
  sound_gpt "$disk" "sectors of 4096"
  is "$(usable "$disk")" $((large / 4096 - 6)) "sectors of 4096: all of it can be used"
  audited "sectors of 4096" wide.raw
  dd if="$disk" of=wide-moved.raw bs=1M status=none
  disk=$scratch/disk
  run qimport start -q --size $large --fix-gpt wide.qcow2 "$disk"
  exits 0 "sectors of 4096, a file: it is moved likewise"
  assert_identical "$disk" wide-moved.raw "  to the same disk"
  audited "sectors of 4096, a file" wide.raw
  fresh
  disk=$loop
  run qimport start --progress none --force --fix-gpt gpt.qcow2 "$disk"
  exits 0 "a table for other sectors than the device's: it is imported"
  check "  and it is said that nobody finds it" grep -q 'sectors of 512 bytes and the device has sectors of 4096' err
  check "  and nothing is changed" cmp -n "$size" gpt.raw "$disk"
fi

# ---- killed in the middle of it

disk=$scratch/disk
tool at-call
if ! "$tool" true; then
  skip "killed in the middle of it" "programs cannot be traced here"
  done_testing
  exit
fi
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
# killed WHAT IMAGE MOVED OPTIONS...: before every call that changes the target, and within every write, since
# the marker of the last commit or before it
killed () {
  what=$1 of=$2 moved=$3
  shift 3
  rm -f "$QIMPORT_JOURNAL"* "$disk"*
  "$tool" -x journal.db -l calls "$QIMPORT" start -q --fix-gpt "$@" "$of" "$disk" 2>err || bail "$(cat err)"
  from=$(grep -n 'pwrite.*qimport-part' calls | tail -n 6 | head -n 1 | cut -d: -f1)
  wrong='' struck=0
  for how in -k -t; do
    for n in $(seq "$from" "$(wc -l <calls)"); do
      rm -f "$QIMPORT_JOURNAL"* "$disk"*
      "$tool" -x journal.db $how "$n" "$QIMPORT" start -q --fix-gpt "$@" "$of" "$disk" >out 2>err </dev/null
      [ $? = 137 ] || continue
      struck=$((struck + 1))
      import_state
      rc=0
      [ "$state" = complete ] || run qimport resume -q "$disk"
      [ $rc = 0 ] && cmp "$disk" "$moved" >cmp 2>&1 && "$QIMPORT" audit -q "$disk" >out 2>err ||
        wrong="$wrong$how $n: $rc $(cat err cmp 2>/dev/null)
"
    done
  done
  note "$struck of $(wc -l <calls) calls from $from on"
  if [ -n "$wrong" ]; then not_ok "$what: killed $struck times in the middle of it, it is gone on with" "$wrong"
  else check "$what: killed $struck times in the middle of it, it is gone on with" [ $struck -gt 9 ]; fi
}
killed "a file" gpt.qcow2 moved.raw --size $large
[ ! -e wide-moved.raw ] || killed "sectors of 4096" wide.qcow2 wide-moved.raw --size $large

done_testing
