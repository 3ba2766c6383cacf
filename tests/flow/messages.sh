#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every failure is one line that says what failed, where, why, and what to do next; here are forty
# that a user meets.  The exit statuses themselves are the matter of other tests.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
image deflate 64K
www=$scratch/www
mkdir "$www" "$scratch/here"
cp "$image" "$www/whole.qcow2"
head -c 2000000 "$image" >"$www/cut.qcow2"
: >"$www/empty.qcow2"
echo '<html>Sign in to the network</html>' >"$www/page.html"
head -c 100000 /dev/urandom >"$www/noise.qcow2"
xz -0 -c "$www/cut.qcow2" >"$www/packed.xz"
tar -C "$www" -c cut.qcow2 >"$www/disk.tar"
cp "$expected" "$www/raw.img"
qemu-img create -q -f vmdk "$www/disk.vmdk" 4M
qemu-img create -q -f qcow2 "$www/locked.qcow2" 4M
printf '\002' | dd of="$www/locked.qcow2" bs=1 seek=35 conv=notrunc status=none # crypt_method
qemu-img create -q -f qcow2 -b whole.qcow2 -F qcow2 "$www/delta.qcow2" 2>/dev/null
cp "$www/delta.qcow2" "$www/over.qcow2"
qemu-img rebase -u -b damaged.qcow2 -F qcow2 "$www/over.qcow2"
# The first entry of the first L2 table points to no cluster's beginning.
cp "$image" "$www/damaged.qcow2"
python3 - "$www/damaged.qcow2" <<'END'
import sys
with open(sys.argv[1], "r+b") as image:
    image.seek(40)
    image.seek(int.from_bytes(image.read(8), "big"))
    table = int.from_bytes(image.read(8), "big") & 0xfffffffffffe00
    image.seek(table)
    image.write((0x8000000000005200).to_bytes(8, "big"))
END
serve_start "$scratch/nginx" "$www" || bail "nginx does not start"
cd "$scratch/here" || exit 99

# says STATUS WHERE WHY NEXT COMMAND...: extended regular expressions, in this order in the line
says () {
  want=$1 pattern="^qimport: .*$2.*$3.*$4"
  shift 4
  sentence=$(echo "$*" | sed "s|$serve_url|http://server|g; s|$scratch/||g")
  run timeout 30 "$QIMPORT" "$@"
  if [ "$rc" = "$want" ] && [ "$(wc -l <"$scratch/err")" = 1 ] && grep -Eq -- "$pattern" "$scratch/err"; then
    ok "qimport $sentence"
  else
    not_ok "qimport $sentence" "exit status $rc, not $want; or not $pattern" "$(cat "$scratch/err")"
  fi
}
u=$serve_url

# ---- the source
says 4 "$u/none" "HTTP 404: nothing is there" "; check the URL" start "$u/none" a.img
says 4 "$scratch/here/none.qcow2" "cannot be opened" "; check the path.*: No such file" start none.qcow2 a.img
says 4 "/proc" "neither a file nor" "; name one of these" start /proc a.img
says 3 "http://127.0.0.1:1/x" "connect" "; check host and port in the URL; nothing was begun$" \
  start --retry-time 0 http://127.0.0.1:1/x a.img
says 3 "http://no.such.host.invalid/x" "resolve" "; check the host's name in the URL; nothing was begun$" \
  start --retry-time 0 http://no.such.host.invalid/x a.img
says 3 "http://127.0.0.1:1/x" "connect" "; check host and port in the URL$" info --retry-time 0 http://127.0.0.1:1/x
says 3 "http://127.0.0.1:1/x" "connect" "; check host and port in the URL$" map --retry-time 0 http://127.0.0.1:1/x
says 2 "ftp://h/x" "only http, https and file" "" start ftp://h/x a.img
says 2 "http://h h/x" "not a URL" "; check how it is written" start 'http://h h/x' a.img
says 2 "URL is empty" "" "; give http, https" start '' a.img
says 2 "none" "cannot be opened" "; check the path" start --checksums none "$u/whole.qcow2" a.img
says 4 "page.html" "has no digest of whole.qcow2" "; give it with --checksum" \
  start --checksums "$www/page.html" "$u/whole.qcow2" a.img
says 2 "token" "cannot be read" "; name another.*: No such file" start --bearer-file token "$u/whole.qcow2" a.img

# ---- the image: each names its URL
says 5 "$u/page.html" "no qcow2 image" "HTML.*; check the URL" start "$u/page.html" a.img
says 5 "$u/empty.qcow2" "no qcow2 image" "empty file; check what was uploaded" start "$u/empty.qcow2" a.img
says 5 "$u/noise.qcow2" "no qcow2 image" "; .qemu-img info. may tell" start "$u/noise.qcow2" a.img
says 5 "$u/packed.xz" "image in the xz file is truncated" "; publish it again" start "$u/packed.xz" a.img
says 5 "$u/disk.tar" "tar archive" "; unpack it first" start "$u/disk.tar" a.img
says 5 "$u/disk.vmdk" "VMDK" "; convert it with qemu-img convert" start "$u/disk.vmdk" a.img
says 5 "$u/raw.img" "no qcow2 image" "raw disk" start --format qcow2 "$u/raw.img" a.img
says 5 "$u/locked.qcow2" "crypt_method at byte 32.*encrypted" "qemu-img convert" start "$u/locked.qcow2" a.img
says 5 "$u/cut.qcow2" "beyond the image" "; .*ask for a sound one" start "$u/cut.qcow2" a.img
says 5 "$u/damaged.qcow2: L2 entry at byte [0-9]* .guest offset 0." "not aligned" "; .*ask for a sound one" \
  start "$u/damaged.qcow2" a.img
says 5 "$u/damaged.qcow2: L2 entry" "not aligned" "; .*ask for a sound one" \
  start --backing "$u/damaged.qcow2" "$u/over.qcow2" a.img
says 5 "$u/damaged.qcow2: L2 entry" "not aligned" "; .*ask for a sound one" map "$u/damaged.qcow2"
says 5 "$u/delta.qcow2" "has a backing file, .whole.qcow2." "; give its image with --backing" start "$u/delta.qcow2" a.img
says 5 "$u/whole.qcow2" "has no backing file" "; leave it out" start --backing "$u/whole.qcow2" "$u/whole.qcow2" a.img
says 5 "$u/whole.qcow2" "more than 1.00 MiB" "; --max-size allows more" start --max-size 1M "$u/whole.qcow2" a.img
says 2 "$u/whole.qcow2: the image has no snapshot with the ID or name old" "" "; .qimport info. lists them" start --snapshot old "$u/whole.qcow2" a.img
says 2 "memory 1.00 MiB is too little" "" ": give at least" start --memory 1M "$u/whole.qcow2" a.img

# ---- the target
echo precious >there.img
says 6 "$scratch/here/there.img" "exists already" "; name another target, or give --force" start "$u/whole.qcow2" there.img
says 6 "there is no directory $scratch/no" "" "; create it first" start "$u/whole.qcow2" "$scratch/no/a.img"
says 6 "$scratch/here" "is a directory" "; name a regular file" start "$u/whole.qcow2" "$scratch/here"
says 6 "/dev/null" "is a character device" "; name a regular file" start "$u/whole.qcow2" /dev/null
says 6 "$www/whole.qcow2" "is the source itself" "; name another target" start --force "$www/whole.qcow2" "$www/whole.qcow2"
says 6 'a.x09b.img' "control characters" "; choose another name" start "$u/whole.qcow2" "$(printf 'a\tb.img')"
says 6 'a.xffb.img' "no UTF-8" "; choose another name" start "$u/whole.qcow2" "$(printf 'a\377b.img')"
is "$(ls)" there.img "nothing of this was made, under that name or another"

# ---- imports
qimport start -q "$u/whole.qcow2" ok.img || bail "no import"
id=$(import_of "$scratch/here/ok.img" .id | cut -c 1-8)
says 2 "$id" "is complete" "; .qimport audit $id. checks it" resume ok.img
says 6 "ok.img" "imported from another URL, $u/whole.qcow2" "; give another target" ensure "$u/none" ok.img
echo x >>ok.img
says 6 "ok.img" "grown by someone else" "; give it back its size, or begin anew" audit ok.img
rm ok.img
says 6 "ok.img" "is missing" "; put it back" audit ok.img
says 1 "/no/such/dir/page.html" "cannot be written" "; name another file with -o.*: No such file" \
  report "$id" -o /no/such/dir/page.html
says 2 "no/list" "cannot be read" "; name another file with -f.*: No such file" start -f no/list
says 7 "deadbeef" "no such import in journal $QIMPORT_JOURNAL" "; qimport status lists" audit deadbeef
says 7 "neither.img" "no import of this journal, and no file" "; qimport status lists" map neither.img
says 7 "no import was interrupted" "" "; see: qimport status" resume
qimport start -q --limit-rate 2M --max-time 1 "$u/whole.qcow2" left.img 2>/dev/null
says 6 "left.img" "has an interrupted import" "; .qimport resume [0-9a-f]*. goes on" start "$u/whole.qcow2" left.img
says 6 "left.img" "has an interrupted import" "qimport resume .*with --journal $QIMPORT_JOURNAL" \
  --journal "$QIMPORT_JOURNAL" start "$u/whole.qcow2" left.img

# ---- the journal
printf x >noise.db
says 7 "$scratch/here/noise.db" "not an SQLite database" "; it was left as it is: name another" status --journal noise.db
says 0 "no imports yet: there is no journal $scratch/none.db" "" "" status --journal "$scratch/none.db"
cd /
done_testing
