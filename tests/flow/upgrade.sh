#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an earlier version left behind is gone on with: its journal, its part files, its devices;
# and what it finished is still known (tests/tools/upgrade-fixture.sh made the files).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

# In a mount namespace of its own, for the journal names its targets by their paths in /srv.
if [ -z "${QIMPORT_TEST_INSIDE:-}" ]; then
  [ -d /srv ] || skip_all "there is no /srv"
  unshare -m true 2>/dev/null || skip_all "there are no mount namespaces"
  rm -rf "$scratch"
  QIMPORT_TEST_INSIDE=1 top_srcdir=$top_srcdir top_builddir=$top_builddir exec unshare -m sh "$0"
fi
loop=
trap '[ -z "$loop" ] || losetup -d "$loop"; umount /srv 2>/dev/null; finish' EXIT

from_version () { # FILE
  fixture=${1##*/}
  fixture=${fixture%.ext4.xz}
  xz -dc "$1" >"$scratch/fs" || bail "$1 cannot be unpacked"
  mount -o loop "$scratch/fs" /srv || skip_all "no loop device can be mounted"
  QIMPORT_JOURNAL=/srv/journal.db
  loop=$(losetup -f --show /srv/back) || skip_all "no loop device is free"
  rm /srv/device # the node; whatever number the device has now, it shows the same file
  mknod /srv/device b $((0x$(stat -c %t "$loop"))) $((0x$(stat -c %T "$loop")))
  qemu-img convert -O raw /srv/image.qcow2 "$scratch/expected"
  size=$(size_of "$scratch/expected")
}

finished_is_known () {
  run qimport ensure -q /srv/image.qcow2 /srv/finished.raw
  exits 0 "$fixture: what was complete still is"
  run qimport audit -q /srv/finished.raw
  exits 0 "$fixture: and is as it was imported"
}

goes_on () { # TARGET WHAT OPTIONS...
  target=/srv/$1 what=$2
  shift 2
  before=$(import_of "$target" .bytes.guest_committed)
  run qimport resume -q --limit-rate 0 "$@" "$target"
  exits 0 "$fixture: $what is gone on with"
  check "$fixture: $what: nothing that was committed is fetched again ($before bytes)" \
    [ "$(import_of "$target" .bytes.fetched)" -le $(($(size_of /srv/image.qcow2) + 2097152)) ]
}
identical () { # TARGET WHAT
  check "$fixture: $2: the disk is what qemu-img makes of the image" \
    cmp -n "$size" "/srv/$1" "$scratch/expected"
}

for file in "$top_srcdir"/tests/data/upgrade/*.ext4.xz; do
  from_version "$file"
  finished_is_known
  goes_on killed.raw "an import that was killed"
  identical killed.raw "an import that was killed"
  goes_on stopped.raw "one that was stopped"
  identical stopped.raw "one that was stopped"
  goes_on no-digests.raw "one without digests"
  identical no-digests.raw "one without digests"
  goes_on device "one onto a device"
  identical device "one onto a device"
  goes_on kept.raw "one that keeps what the image has not"
  # where the image has something the disk has it, elsewhere what was there
  tr '\0' 'x' </dev/zero | head -c "$size" >"$scratch/kept"
  qemu-img map --output=json /srv/image.qcow2 | jq -r '.[] | select(.data) | "\(.start) \(.length)"' |
    while read -r start length; do
      dd if="$scratch/expected" of="$scratch/kept" bs=65536 conv=notrunc skip=$((start / 65536)) \
        seek=$((start / 65536)) count=$((length / 65536)) 2>/dev/null
    done
  assert_identical /srv/kept.raw "$scratch/kept" "$fixture: it has its data where the image has, and what was there elsewhere"
  run qimport audit -q /srv/killed.raw
  exits 0 "$fixture: audit finds what it began and we ended as imported"
  is "$(sqlite3 /srv/journal.db "SELECT group_concat (DISTINCT state) FROM import_summary")" complete \
    "$fixture: all of them are complete"
  losetup -d "$loop"
  loop=
  umount /srv
done
done_testing
