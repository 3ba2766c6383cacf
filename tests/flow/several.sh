#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One image onto several targets: it is fetched once; each target is an import of its own, that is
# resumed and audited alone; one that fails does not stop the others.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
size=$(size_of "$expected")
cd "$scratch" || bail "cd"
mkdir a b c

state_of () { import_of "$1" .state; }
is_the_guest () { cmp -s "$1" "$expected"; }
fresh () { # TARGET...: nothing is left of before
  rm -rf a b c
  mkdir a b c
  rm -f "$QIMPORT_JOURNAL"*
  : >"$serve_log"
}
copying () { # PID TARGET: until something is committed
  for _ in $(seq 200); do
    [ "$(import_of "$2" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && return
    kill -0 "$1" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}
sent_once () { # no more than the image and its tables, asked for once
  sent=$(sent_bytes)
  [ "$sent" -lt $(($(size_of "$image") * 3 / 2)) ] && ok "$1" || not_ok "$1" "$sent bytes were sent"
}

run qimport start "$url" a/disk b/disk c/disk
exits 0 "one image onto three files ends well"
is "$(grep -c '^qimport: complete: ' err)" 3 "  and is told of each"
sent_once "  the network brought it once"
for t in a b c; do
  assert_identical $t/disk "$expected" "  $t is what qemu-img makes of it"
  is "$(state_of $t/disk)" complete "  is an import of its own"
  run qimport audit -q $t/disk
  exits 0 "  and is found as it was imported"
done
ids=$(qimport status --json | jq -r '.imports | map (.id) | unique | length')
is "$ids" 3 "each has its own id"
has=$(stat -c %b b/disk) most=$(($(stat -c %b a/disk) + 256))
check "each file is as sparse as the first" [ "$has" -le "$most" ]

fresh
run qimport start -q --verify --sha256 "$(sha256sum <"$image" | cut -d' ' -f1)" "$url" a/disk b/disk
exits 0 "with --verify and a checksum it ends well too"
is "$(qimport receipt b/disk | jq .verification.image_checksum_checked)" true \
  "  each receipt says that the checksum was checked"
fresh
run qimport start -q --sha256 "$(echo no | sha256sum | cut -d' ' -f1)" "$url" a/disk b/disk
exits 4 "where the checksum differs"
check "  none of them is put in place" [ ! -e a/disk -a ! -e b/disk ]

# ---- what else an import may be

fresh
"$QIMPORT" start -q --keep-format --limit-rate 4M --commit-interval 0.3 "$url" a/disk b/disk 2>/dev/null &
pid=$!
background
check "an import of the image as it is is under way" copying $pid a/disk
kill -9 $pid
wait $pid 2>/dev/null
for t in a b; do
  run qimport resume -q --limit-rate 1G $t/disk
  exits 0 "  killed, $t is resumed alone"
  assert_identical $t/disk "$image" "  and is the image"
done
fresh
run qimport start -q --size $((size + 1048576)) --fix-gpt "$expected" a/disk b/disk
exits 0 "a raw image onto larger files, with its backup GPT moved"
is "$(size_of b/disk)" $((size + 1048576)) "  they are as large as that"
assert_identical a/disk b/disk "  and the same"
run qimport audit -q b/disk
exits 0 "  and audit finds the second right"

# ---- one fails

fresh
echo mine >b/disk
run qimport start "$url" a/disk b/disk c/disk
exits 6 "one that exists is refused"
is "$(cat b/disk)" mine "  and is left as it is"
check "  the others are written" is_the_guest a/disk
check "  all of them" is_the_guest c/disk

fresh
run qimport start -q "$url" a/disk a/./disk b/disk
exits 6 "one target by two names is refused"
check "  and written once, with the others" is_the_guest a/disk
check "  all of them" is_the_guest b/disk
fresh
ln -s a also
run qimport start -q "$url" a/disk also/disk
exits 6 "as is one whose directory has two"

fresh
run qimport start -q "$url.not" a/disk b/disk
exits 4 "an image that is not there is refused"
one_message "  which is said once"
is "$(qimport status --json | jq '.imports | length')" 0 "  and nothing was begun"
run qimport start -q "$url" 1 2 3 4 5 6 7 8 9
exits 2 "more than eight targets are refused"
run qimport start -q - a/disk b/disk
exits 2 "what comes once goes to one target"
is "$(ls a b)" "$(printf 'a:\n\nb:')" "  and nothing is made"
run qimport ensure -q "$url" a/disk b/disk
exits 2 "ensure takes one"

if [ "$(id -u)" = 0 ]; then
  fresh
  mount -t tmpfs -o size=4M tmpfs b || bail "mount"
  run qimport start -q "$url" a/disk b/disk c/disk
  exits 3 "one whose file system gets full is interrupted"
  check "  the others are written" is_the_guest a/disk
  check "  all of them" is_the_guest c/disk
  is "$(state_of b/disk)" interrupted "  status says which"
  is "$(import_of b/disk .error.code)" target-full "  and why"
  sent_once "  the network brought it once"
  mount -o remount,size=100M b
  run qimport resume -q b/disk
  exits 0 "with room it is resumed alone"
  check "  and right" is_the_guest b/disk
  umount b
else
  skip "one whose file system gets full is interrupted" "it needs root"
fi

# ---- interrupted

fresh
env --default-signal=INT "$QIMPORT" start --progress none --limit-rate 3M "$url" a/disk b/disk c/disk \
  2>"$scratch/err" &
pid=$!
background
check "the import is under way" copying $pid b/disk
kill -INT $pid
wait $pid
rc=$?
exits 3 "SIGINT interrupts all of them"
is "$(grep -c 'go on with: qimport resume' err)" 3 "  and each is told how to go on"
for t in a b c; do
  check "  $t has committed something" [ "$(import_of $t/disk .bytes.guest_committed)" -gt 0 ]
done
run qimport resume -q --limit-rate 1G --all
exits 0 "resume --all goes on with each"
for t in a b c; do check "  $t is right" is_the_guest $t/disk; done

for after in 600 1200 1800; do
  fresh
  "$QIMPORT" start -q --limit-rate 4M --commit-interval 0.5 "$url" a/disk b/disk 2>/dev/null &
  kill_after_ms $! $after
  was=$(qimport status --json | jq -r '[.imports[].state] | unique | join (" ")')
  for t in a b; do
    id=$(qimport status --json | jq -r ".imports[] | select (.target | endswith (\"$t/disk\")) | .id")
    if [ -n "$id" ]; then run qimport resume -q --limit-rate 1G "$id"; else run qimport start -q "$url" $t/disk; fi
    exits 0 "killed after $after ms ($was), $t is resumed alone"
    check "  and right" is_the_guest $t/disk
  done
done

# ---- kinds mixed

if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null; then
  fresh
  truncate -s "$size" backing
  loop=$(losetup -f --show backing) || bail "losetup"
  head -c "$size" /dev/zero | tr '\0' x >"$loop"
  ln -s "$loop" alias
  run qimport start -q --force "$url" a/disk "$loop" "$scratch/alias"
  exits 6 "a device by two names is refused"
  blockdev --flushbufs "$loop"
  check "  and written once: where it was not zero it is" is_the_guest "$loop"
  check "  the file beside it is right" is_the_guest a/disk
  is "$(import_of "$loop" .target_kind)" block "  each is of its kind"
  has=$(stat -c %b a/disk)
  check "  the file is as sparse as alone ($has blocks, at most $most)" [ "$has" -le "$most" ]
  losetup -d "$loop"
else
  skip "a device by two names is refused" "it needs root and losetup"
fi
if command -v qemu-nbd >/dev/null && ! "$QIMPORT" --version | grep -q "no NBD"; then
  fresh
  qemu-img create -q -f qcow2 disk.qcow2 "$size"
  qemu-nbd --persistent -f qcow2 -k "$scratch/nbd.sock" --shared=0 disk.qcow2 2>nbd.err &
  server=$!
  background
  for _ in $(seq 100); do [ -S nbd.sock ] && break; sleep 0.05; done
  uri="nbd+unix:///?socket=$scratch/nbd.sock"
  run qimport start -q "$url" a/disk "$uri" "nbd+unix:///?socket=$scratch/./nbd.sock"
  exits 6 "an export by two names is refused"
  is "$(qimport status --json | jq -r '[.imports[] | select (.state == "complete") | .target_kind]
    | sort | join (" ")')" "file nbd" "  and written once, with the file"
  check "  which is right" is_the_guest a/disk
  sent_once "  the network brought it once"
  # away, and it stays away
  "$QIMPORT" start -q --force --limit-rate 3M --retry-time 1 "$url" b/disk "$uri" 2>"$scratch/err" &
  pid=$!
  background
  check "an import to it is under way" copying $pid b/disk
  kill -9 "$server"
  wait $pid
  rc=$?
  exits 3 "where its server goes away, that one is interrupted"
  check "  and the other goes on to its end" is_the_guest b/disk
  qemu-nbd --persistent -f qcow2 -k "$scratch/nbd.sock" disk.qcow2 2>nbd.err &
  server=$!
  background
  sleep 0.5
  run qimport resume -q --limit-rate 1G "$uri"
  exits 0 "with the server back it is resumed"
  kill "$server"
  wait "$server" 2>/dev/null
  check "  and right" qemu-img compare -q -f raw -F qcow2 "$expected" disk.qcow2
else
  skip "an export by two names is refused" "it needs NBD"
fi
done_testing
