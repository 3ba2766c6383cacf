#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Journals and targets on file systems that lack something: link counts that lag behind, no memory
# that processes share, no hard links and no owners.  What can work does; what cannot says so, and
# what to do.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
needs root
[ -e /dev/fuse ] || skip_all "there is no /dev/fuse"
cd "$scratch" || exit 99
image=$scratch/image.qcow2 expected=$scratch/expected.raw
head -c 8M /dev/urandom >"$expected"
truncate -s 16M "$expected"
qemu-img convert -f raw -O qcow2 "$expected" "$image" || bail "qemu-img"

mounted=
leave () { for m in $mounted; do umount "$m" 2>/dev/null || fusermount -u "$m" 2>/dev/null; done; finish; }
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# works WHERE WHAT: a journal and a target there, interrupted and resumed; and two at a time
works () {
  QIMPORT_JOURNAL=$1/journal.db
  run qimport start -q --limit-rate 2M --max-time 1 --commit-interval 0.1 "$image" "$1/disk"
  is "$rc" 3 "$2: an import there is interrupted"
  run qimport resume -q --limit-rate 0 "$1/disk"
  is "$rc" 0 "  and resumed"
  assert_identical "$1/disk" "$expected" "  every byte is right"
  rm -f "$1/journal.db" "$1/disk"
  for n in 1 2 3; do
    ("$QIMPORT" start -q "$image" "$1/disk.$n" 2>"$scratch/err.$n" </dev/null; echo $? >"$scratch/rc.$n") &
  done
  wait
  is "$(cat "$scratch"/rc.[123] | tr '\n' ' ')" "0 0 0 " "  three that make the journal at the same time agree"
  is "$(qimport status --json | jq '[.imports[] | select(.state == "complete")] | length')" 3 "  on one"
  is "$(cat "$scratch"/err.[123])" "" "  without a word"
  rm -f "$1"/disk.*
}

mkdir behind bind behind-direct direct
bindfs behind bind || skip_all "bindfs does not mount"
mounted="$mounted $scratch/bind"
works "$scratch/bind" "FUSE"
bindfs -o direct_io behind-direct direct && {
  mounted="$mounted $scratch/direct"
  works "$scratch/direct" "no shared memory"
  is "$(sqlite3 -readonly "$scratch/behind-direct/journal.db" 'PRAGMA journal_mode')" delete \
    "  by a rollback journal"
}

# a journal with a WAL that was moved there
QIMPORT_JOURNAL=$scratch/journal.db
run qimport start -q "$image" "$scratch/disk"
cp journal.db direct/moved.db
QIMPORT_JOURNAL=$scratch/direct/moved.db
run qimport start -q "$image" "$scratch/disk.2"
is "$rc" 7 "a journal with a WAL, moved to where there is no shared memory: 7"
check "  and it says what to do" grep -q -- "no shared memory.*--journal" err

if command -v mkfs.exfat >/dev/null && command -v mount.exfat-fuse >/dev/null; then
  truncate -s 300M exfat.img
  mkfs.exfat exfat.img >/dev/null 2>&1
  loop=$(losetup -f --show exfat.img)
  mkdir exfat
  if mount.exfat-fuse -o umask=077 "$loop" exfat >/dev/null 2>&1; then
    mounted="$mounted $scratch/exfat"
    works "$scratch/exfat" "exFAT, without links"
    umount exfat
    mount.exfat-fuse "$loop" exfat >/dev/null 2>&1
    QIMPORT_JOURNAL=$scratch/exfat/new.db
    run qimport start -q "$image" "$scratch/disk.3"
    is "$rc" 7 "exFAT that lets everybody write: 7"
    check "  and it says what to do" grep -q -- "may write it.*--journal" err
    umount exfat
  else
    skip "exFAT, without links" "it cannot be mounted"
  fi
  losetup -d "$loop"
else
  skip "exFAT, without links" "exfat-fuse is not installed"
fi
done_testing
