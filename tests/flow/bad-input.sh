#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What cannot be imported ends with the exit status of the contract and one line that says why,
# and leaves everything as it was.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
www=$scratch/www
mkdir "$www" "$scratch/to"
cp "$image" "$www/whole.qcow2"
head -c 300000 "$image" >"$www/cut.qcow2"
head -c 71 "$image" >"$www/stub.qcow2"
: >"$www/empty.qcow2"
echo '<html><body>Sign in to the network</body></html>' >"$www/page.html"
head -c 100000 /dev/urandom >"$www/noise.qcow2"
qemu-img create -q -f qcow2 -b /etc/passwd -F raw "$www/backed.qcow2" 1M
serve_start "$scratch/nginx" "$www" || bail "nginx does not start"
disk=$scratch/to/disk

state_of_targets () { (cd "$scratch/to" && find . -printf '%p %s %m ' -exec cat {} + 2>/dev/null | cksum); }

# refused STATUS WHAT COMMAND...
refused () {
  want=$1 what=$2
  shift 2
  before=$(state_of_targets)
  run timeout 20 "$@"
  exits "$want" "$what: the exit status is $want"
  one_message "$what: one line says why"
  is "$(cat "$scratch/out")" "" "$what: nothing on standard output"
  is "$(state_of_targets)" "$before" "$what: the place of the target is as it was"
}
says () {
  if grep -Eq -e "$1" "$scratch/err"; then ok "$2"; else not_ok "$2" "$(cat "$scratch/err")"; fi
}
# timeout runs programs only
printf '#!/bin/sh\nexec "$QIMPORT" start -q --retry-time 0 "$@"\n' >"$scratch/start"
chmod +x "$scratch/start"
start=$scratch/start

refused 2 "no arguments" "$QIMPORT" start
refused 2 "a URL and no target" "$start" "$serve_url/whole.qcow2"
refused 2 "an unknown command" "$QIMPORT" begin
refused 2 "an unknown option" "$start" --no-such-option "$serve_url/whole.qcow2" "$disk"
refused 2 "a number that is none" "$start" --connections many "$serve_url/whole.qcow2" "$disk"
refused 2 "connections 0" "$start" --connections 0 "$serve_url/whole.qcow2" "$disk"
refused 2 "a memory that is none" "$start" --memory 64X "$serve_url/whole.qcow2" "$disk"
refused 2 "a scheme that is not read" "$start" gopher://example.org/disk.qcow2 "$disk"

refused 4 "a path that is not there" "$start" "$www/none.qcow2" "$disk"
refused 4 "404" "$start" "$serve_url/none.qcow2" "$disk"
says "$serve_url/none.qcow2" "and the line names the URL"
refused 3 "a port where nobody listens" "$start" http://127.0.0.1:1/disk.qcow2 "$disk"

refused 5 "a web page" "$start" "$serve_url/page.html" "$disk"
refused 5 "an empty file" "$start" "$serve_url/empty.qcow2" "$disk"
refused 5 "71 bytes of an image" "$start" "$serve_url/stub.qcow2" "$disk"
refused 5 "noise" "$start" "$serve_url/noise.qcow2" "$disk"
refused 5 "a truncated image" "$start" "$serve_url/cut.qcow2" "$disk"
refused 5 "the same once more, since nothing was written" "$start" "$serve_url/cut.qcow2" "$disk"
qimport forget "$disk" 2>/dev/null
refused 5 "an image with a backing file that was not given" "$start" "$serve_url/backed.qcow2" "$disk"
refused 5 "a disk larger than --max-size" "$start" --max-size 1M "$serve_url/whole.qcow2" "$disk"

echo precious >"$scratch/to/there"
refused 6 "a target that exists" "$start" "$serve_url/whole.qcow2" "$scratch/to/there"
says -- "--force" "and the line tells of --force"
refused 6 "a directory for a target" "$start" "$serve_url/whole.qcow2" "$scratch/to"
refused 6 "a target in no directory" "$start" "$serve_url/whole.qcow2" "$scratch/to/no/disk"
refused 6 "a FIFO for a target" sh -c 'mkfifo "$2"; "$0" "$1" "$2"; rc=$?; rm "$2"; exit $rc' \
  "$start" "$serve_url/whole.qcow2" "$scratch/to/fifo"

for command in resume audit receipt forget log status; do
  refused 7 "$command of an import that is not there" "$QIMPORT" $command 01234567
done
refused 7 "resume and nothing to resume" "$QIMPORT" resume

head -c 20000 /dev/urandom >"$scratch/noise.db"
sqlite3 "$scratch/foreign.db" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
sqlite3 "$scratch/newer.db" "PRAGMA application_id=$(sqlite3 "$QIMPORT_JOURNAL" 'PRAGMA application_id');
  PRAGMA user_version=999; CREATE TABLE t (x)"
for kind in noise foreign newer; do
  file=$scratch/$kind.db
  sum=$(sha256sum <"$file")
  refused 7 "a journal that is $kind" "$start" --journal "$file" "$serve_url/whole.qcow2" "$disk"
  is "$(sha256sum <"$file")" "$sum" "a journal that is $kind: is not written to"
  is "$(echo "$file"-*)" "$file-*" "a journal that is $kind: gets no companions"
  refused 7 "status of a journal that is $kind" "$QIMPORT" status --journal "$file"
done

run "$QIMPORT" start -q "$serve_url/whole.qcow2" "$disk"
exits 0 "after all of this the same journal and target serve"
assert_identical "$disk" "$expected" "and the disk is whole"
done_testing
