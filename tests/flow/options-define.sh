#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Options that say what an import is were said when it began: who resumes it, or ensures it again, says the
# same or nothing.  Every option of the table that defines an import has its case here; one that has none
# fails.  What was promised of a target as it was before is void when the import is begun anew.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
${CC:-cc} -std=gnu11 -Wall -g ${SANITIZE_CFLAGS:-} -I"$top_srcdir/include" -o resume-with \
  "$top_srcdir/tests/tools/resume-with.c" -L"$top_builddir/.libs" -lqimport 2>cc.err || bail "$(cat cc.err)"

# ---- images: one with two snapshots, and an overlay of three layers that have names of their own

write () { f=$1; shift; for c in "$@"; do qemu-io -f "${f##*.}" -c "$c" "$f" >/dev/null || bail "qemu-io $c"; done; }
head -c 12M /dev/urandom >guest.raw
qemu-img convert -q -O qcow2 guest.raw image.qcow2
qemu-img snapshot -c a image.qcow2
write image.qcow2 'write -P 5 0 1M'
qemu-img snapshot -c b image.qcow2
qemu-img snapshot -c 'C:\d' image.qcow2
write image.qcow2 'write -P 6 1M 1M'
cp guest.raw base.raw
cp guest.raw other.raw
write other.raw 'write -P 7 6M 64k'
qemu-img create -q -f qcow2 -F raw -b base.raw top.qcow2
write top.qcow2 'write -P 8 64k 64k'
qemu-img convert -q -O raw image.qcow2 active.raw
qemu-img convert -q -O raw top.qcow2 over.raw
for s in a b; do qemu-img convert -q -l "$s" -O raw image.qcow2 "$s.raw"; done
cp active.raw larger.raw
truncate -s 13M larger.raw
disk=$scratch/disk

# ---- one case

fresh () {
  [ ! -e "$QIMPORT_JOURNAL" ] || for i in $(qimport status --json | jq -r '.imports[].id'); do qimport forget "$i"; done
  rm -f "$disk" "$disk.qimport-part"
}
# begun IMAGE OPTION...: an import of it that stopped in the middle; where the target is written in place, it is there
begun () {
  fresh
  url=$1
  shift
  case $* in *' keep'*) truncate -s 12M "$disk" ;; esac
  "$QIMPORT" start -q --limit-rate 4M --commit-interval 0.1 "$@" "$url" "$disk" 2>err &
  pid=$!
  for _ in $(seq 100); do
    sleep 0.05
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null)" -gt 0 ] 2>/dev/null && break
  done
  kill $pid
  wait $pid
  rc=$?
  [ $rc = 3 ] || not_ok "an import of $url $* is interrupted" "exit status $rc" "$(cat err)"
}
now () {
  import_of "$disk" '[.bytes.guest_committed, .attempts, .state]' | tr -d '\n '
  cat "$disk" "$disk.qimport-part" 2>/dev/null | md5sum
}
refused () { # WHAT STATUS: of the last run
  exits "$2" "$1 is refused"
  is "$(now)" "$before" "  and nothing is written"
}
# defines NAME IMAGE WANT BEGAN OTHER...: BEGAN and OTHER are options as typed, "" for none; OTHER is given to ensure
# and to the library's resume
seen=
defines () {
  name=$1 image=$2 want=$3 began=$4 other=$5
  case " $seen " in *" $name "*) ;; *) seen="$seen $name" ;; esac
  what="--$name: begun with '$began'"
  # shellcheck disable=SC2086
  begun "$image" $began
  before=$(now)
  # shellcheck disable=SC2086
  run qimport ensure -q $other "$image" "$disk"
  refused "$what, ensured with '$other'" 6
  one_message "  with one line"
  # shellcheck disable=SC2046
  run ./resume-with "$disk" $(echo "$other" | sed -E 's/--([a-z-]+) ([^-]+)/\1= \2/g; s/--//')
  refused "$what, resumed with '$other'" 2
  # shellcheck disable=SC2086
  run qimport ensure -q --limit-rate 0 $began "$image" "$disk"
  exits 0 "$what, ensured with the same, goes on"
  assert_identical "$disk" "$want" "  to the right disk"
  # shellcheck disable=SC2086
  run qimport ensure $began "$image" "$disk"
  is "$rc:$(cat out err)" 0: "  which is complete"
  before=$(now)
  if [ "$name" != target-is-zero ]; then
    # shellcheck disable=SC2086
    run qimport ensure -q $other "$image" "$disk"
    refused "  and ensured with '$other'" 6
  fi
  run qimport ensure -q "$image" "$disk"
  is "$rc:$(cat out err)" 0: "  but with none of it is what it is"
  # shellcheck disable=SC2086
  begun "$image" $began
  run ./resume-with "$disk" limit-rate= 0
  exits 0 "$what, resumed without it, goes on"
  assert_identical "$disk" "$want" "  to the right disk"
}

defines snapshot image.qcow2 a.raw '--snapshot a' '--snapshot b'
defines snapshot image.qcow2 active.raw '' '--snapshot a'
defines digest image.qcow2 active.raw '--digest off' '--digest on'
defines digest image.qcow2 active.raw '' '--digest off'
defines format image.qcow2 active.raw '--format qcow2' '--format auto'
defines format image.qcow2 image.qcow2 '--format raw' '--format qcow2'
defines unallocated image.qcow2 active.raw '--unallocated keep' '--unallocated zero'
defines unallocated image.qcow2 active.raw '' '--unallocated keep'
defines backing top.qcow2 over.raw '--backing base.raw' '--backing other.raw'
defines backing top.qcow2 over.raw '--backing base.raw' '--backing base.raw --backing other.raw'
defines keep-format image.qcow2 active.raw '' '--keep-format'
defines keep-format image.qcow2 image.qcow2 '--keep-format' '--keep-format --snapshot a'
defines size image.qcow2 larger.raw '--size 13M' '--size 14M'
defines size image.qcow2 active.raw '' '--size 14M'
defines fix-gpt image.qcow2 active.raw '' '--fix-gpt'
defines target-is-zero image.qcow2 active.raw '' '--target-is-zero'

table=$(awk 'BEGIN { RS = "ROW \\(\"" } NR > 2 && /, (DEFINES|LAYERS|PROMISES),/ { sub (/".*/, ""); print }' \
  "$top_srcdir/src/import/options_table.c" | sort | tr '\n' ' ')
check "the table has options that define an import" [ -n "$table" ]
is "$(echo $seen | tr ' ' '\n' | sort | tr '\n' ' ')" "$table" "and each of them has a case here"

# ---- a promise, and its end

begun image.qcow2 --target-is-zero
run ./resume-with "$disk" restart target-is-zero limit-rate= 4M max-time= 1
exits 3 "a promise is repeated with --restart"
check "  and not relied on any more, which is said" grep -q 'not relied on' err
for how in ensure resume; do
  if [ $how = ensure ]; then run qimport ensure --progress none --max-time 1 --target-is-zero image.qcow2 "$disk"
  else run ./resume-with "$disk" target-is-zero limit-rate= 0; fi
  check "nor at any later $how, whoever repeats it" grep -q 'not relied on' err
done
exits 0 "  which goes on"
assert_identical "$disk" active.raw "  to the right disk"

# ---- names of all kinds hold at resume

qemu-img convert -q -l 'C:\d' -O raw image.qcow2 want.raw
begun image.qcow2 --snapshot 'C:\d'
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 0 "a snapshot with a backslash in its name is begun anew"
assert_identical "$disk" want.raw "  and is that snapshot"
# as versions left it that forgot such names
begun image.qcow2 --snapshot 'C:\d'
sqlite3 "$QIMPORT_JOURNAL" "UPDATE import SET options = replace (options, 'snapshot=C:\\x5cd', 'x=')"
run qimport resume -q --limit-rate 0 --restart "$disk"
exits 0 "so is one that the journal has in its own column only"
assert_identical "$disk" want.raw "  and is that snapshot"
odd=$(printf 'im\\x41\303\251\377.qcow2')
cp image.qcow2 "$odd"
begun "$odd"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "an image whose file name is no text is found again"
assert_identical "$disk" active.raw "  and is that image"

done_testing
