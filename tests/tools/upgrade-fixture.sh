#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# upgrade-fixture QIMPORT OUT.xz: what a version of qimport leaves behind, for those that come to
# go on with: a small file system with a journal, an image, a finished target and others at every
# stage.  Run with the program of a release, as root; tests/flow/upgrade.sh takes it.
#
# It is the whole file system, for a target is known by its inode and its attributes.
set -eu

interrupted () { # STATUS COMMAND...
  want=$1
  shift
  "$@" && return 1 || [ $? = "$want" ]
}

fill () {
  mount -o loop "$work/fs" /srv
  QIMPORT_JOURNAL=/srv/journal.db
  export QIMPORT_JOURNAL
  # 6 MiB that pack well: every cluster is one word of its own, every fifth is a hole.
  python3 - "$work/raw" <<'EOT'
import random, sys
r = random.Random(1)
with open(sys.argv[1], "wb") as f:
    for k in range(96):
        f.write(r.randbytes(16) * 4096 if k % 5 else bytes(65536))
EOT
  qemu-img convert -f raw -O qcow2 "$work/raw" /srv/image.qcow2
  begin="start -q --commit-interval 0.05 --limit-rate 3M"
  "$qimport" start -q /srv/image.qcow2 /srv/finished.raw
  interrupted 3 "$qimport" $begin --max-time 1 /srv/image.qcow2 /srv/stopped.raw
  interrupted 3 "$qimport" $begin --digest off --max-time 1 /srv/image.qcow2 /srv/no-digests.raw
  tr '\0' 'x' </dev/zero | head -c 6291456 >/srv/kept.raw
  interrupted 3 "$qimport" $begin --unallocated keep --max-time 1 /srv/image.qcow2 /srv/kept.raw
  truncate -s 8M /srv/back
  loop=$(losetup -f --show /srv/back)
  mknod /srv/device b $((0x$(stat -c %t "$loop"))) $((0x$(stat -c %T "$loop")))
  interrupted 137 "$work/at-call" -o 'sync /srv/device' -k 4 \
    "$qimport" $begin /srv/image.qcow2 /srv/device
  losetup -d "$loop"
  # The last one: its part of the journal is still in the WAL.
  interrupted 137 "$work/at-call" -o 'sync /srv/killed.raw.qimport-part' -k 7 \
    "$qimport" $begin /srv/image.qcow2 /srv/killed.raw
  cp /srv/journal.db "$work/look.db"
  cp /srv/journal.db-wal "$work/look.db-wal"
  sqlite3 "$work/look.db" \
    'SELECT state, target, clusters_committed, clusters_total FROM import_summary' >&2
  umount /srv
}

qimport=$1 out=$2
if [ -n "${work:-}" ]; then # in a mount namespace of its own
  fill
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-cc} -D_GNU_SOURCE -O1 -o "$work/at-call" "$(dirname "$0")/at-call.c"
truncate -s 96M "$work/fs"
mkfs.ext4 -q -F -O ^has_journal,^resize_inode -N 64 -m 0 "$work/fs"
work=$work unshare -m sh "$0" "$qimport" "$out"
xz -9e -c "$work/fs" >"$out"
