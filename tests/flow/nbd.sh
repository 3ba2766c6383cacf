#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A target may be an export of an NBD server: imports, kills on both sides, what is refused,
# audit and repair, onto raw and qcow2 files behind qemu-nbd.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
"$QIMPORT" --version | grep -q "no NBD" && skip_all "this build has no NBD"

image deflate 64K
serve
server=
size=$(size_of "$expected")

# serve_nbd FORMAT FILE [OPTION...]: $uri.  It ends with the test, or with stop_nbd.
serve_nbd () {
  rm -f "$scratch/nbd.sock"
  format=$1 file=$2
  shift 2
  qemu-nbd --persistent -f "$format" -k "$scratch/nbd.sock" "$@" "$file" 2>"$scratch/nbd.err" &
  server=$!
  background
  wait_nbd
}
kit () {
  rm -f "$scratch/nbd.sock"
  nbdkit -f -U "$scratch/nbd.sock" "$@" 2>"$scratch/nbd.err" &
  server=$!
  background
  wait_nbd
}
wait_nbd () {
  uri="nbd+unix:///?socket=$scratch/nbd.sock"
  for _ in $(seq 100); do
    [ -S "$scratch/nbd.sock" ] && return
    sleep 0.05
  done
  bail "the NBD server does not start: $(cat "$scratch/nbd.err")"
}
stop_nbd () {
  kill ${1:-} "$server" 2>/dev/null
  wait "$server" 2>/dev/null
}
new_disk () { # FORMAT
  disk=$scratch/disk.$1
  rm -f "$disk"
  qemu-img create -q -f "$1" "$disk" "$size" || bail "qemu-img create"
}
is_the_guest () { qemu-img compare -q -f raw -F "$1" "$expected" "$2"; }
forget () { while qimport forget -q "$uri" 2>/dev/null; do :; done; } # all that it ever was
copying () { # PID: until something is committed
  for _ in $(seq 100); do
    [ "$(import_of "$uri" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && return
    kill -0 "$1" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

for format in raw qcow2; do
  new_disk $format
  serve_nbd $format "$disk"
  run qimport start -q "$url" "$uri"
  exits 0 "$format: an import to an NBD export ends well"
  is "$(import_of "$uri" .target_kind)" nbd "$format: status calls the target nbd"
  kind=$(qimport receipt "$uri" | jq -r .target.kind)
  run jq -e --arg kind "$kind" '[.. | .enum? // empty | index ($kind) | numbers] | any' \
    "$top_srcdir/doc/receipt.schema.json"
  exits 0 "$format: and the schema of receipts knows what the receipt calls it"
  run qimport audit -q "$uri"
  exits 0 "$format: audit finds it as it was imported"
  run qimport start -q "$url" "$uri"
  exits 6 "$format: what holds data is not overwritten"
  one_message "$format:   and that is said in one line"
  run qimport ensure -q "$url" "$uri"
  exits 0 "$format: ensure finds it there"
  stop_nbd
  check "$format: the disk is what qemu-img makes of the image" is_the_guest $format "$disk"

  # Somebody writes to it.
  qemu-io -f $format -c 'write -q -P 7 2M 64K' "$disk" >/dev/null
  serve_nbd $format "$disk"
  run qimport audit -q "$uri"
  exits 8 "$format: audit finds what differs"
  run qimport audit -q --repair "$uri"
  run qimport audit -q "$uri"
  exits 0 "$format: and --repair mends it"
  run qimport start -q --force "$url" "$uri"
  exits 0 "$format: with --force it is imported anew"
  stop_nbd
  check "$format:   and the disk is right" is_the_guest $format "$disk"
  forget
done

qemu-img convert -O qcow2 "$expected" "$scratch/reference"
new_disk qcow2
serve_nbd qcow2 "$disk"
qimport start -q "$url" "$uri"
stop_nbd
forget
has=$(stat -c %b "$disk") most=$(($(stat -c %b "$scratch/reference") * 102 / 100 + 256))
check "a qcow2 file is as sparse as qemu-img convert makes it ($has blocks, at most $most)" \
  [ "$has" -le "$most" ]

# kill -9 of the program.
new_disk qcow2
serve_nbd qcow2 "$disk"
"$QIMPORT" start -q --limit-rate 3M --commit-interval 1 "$url" "$uri" 2>"$scratch/err" &
pid=$!
background
check "the import is under way" copying $pid
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
is "$(head -c 15 "$disk" | wc -c)" 15 "the server still has its disk"
QIMPORT_JOURNAL=$scratch/other.db
run qimport start -q "$url" "$uri"
exits 6 "another journal does not take what an import has begun"
check "  and says whose it is" grep -q "marker of an import in progress" "$scratch/err"
QIMPORT_JOURNAL=$scratch/journal.db
run qimport resume -q "$uri"
exits 0 "killed, it is resumed"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest qcow2 "$disk"
forget

# The server goes away, and comes back.
new_disk qcow2
serve_nbd qcow2 "$disk"
"$QIMPORT" start -q --limit-rate 3M --commit-interval 1 "$url" "$uri" 2>"$scratch/err" &
pid=$!
background
check "the import is under way" copying $pid
stop_nbd -9
sleep 0.3
serve_nbd qcow2 "$disk"
wait $pid
rc=$?
exits 0 "the server killed and started again, the import goes on by itself"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest qcow2 "$disk"
forget

new_disk raw
serve_nbd raw "$disk"
"$QIMPORT" start -q --limit-rate 3M --commit-interval 1 --retry-time 1 "$url" "$uri" 2>"$scratch/err" &
pid=$!
background
check "the import is under way" copying $pid
stop_nbd -9
wait $pid
rc=$?
exits 3 "a server that stays away is waited for within --retry-time"
check "  and that it is the server is said" grep -q "went away" "$scratch/err"
run qimport resume -q --retry-time 0 "$uri"
exits 3 "as long as it is away, a resume ends likewise"
serve_nbd raw "$disk"
run qimport resume -q "$uri"
exits 0 "with the server back it is resumed"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest raw "$disk"
forget

new_disk raw
serve_nbd raw "$disk"
run qimport start -q --max-time 1 --limit-rate 3M "$url" "$uri"
run qimport resume -q --restart "$uri"
exits 0 "resume --restart begins anew on the same export"
run qimport ensure -q --newer "$url" "$uri"
exits 0 "and ensure --newer finds nothing newer"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest raw "$disk"
forget

# Another disk behind the same name.
new_disk raw
serve_nbd raw "$disk"
run qimport start -q --max-time 1 --limit-rate 3M "$url" "$uri"
exits 3 "interrupted"
stop_nbd
new_disk raw
serve_nbd raw "$disk"
run qimport resume -q "$uri"
exits 6 "another disk behind the same URI is refused at a resume"
check "  and nothing is written to it" cmp -s -n 1048576 "$disk" /dev/zero
stop_nbd
forget

# A server that answers nothing any more does not keep anyone from ending.
new_disk raw
serve_nbd raw "$disk"
env --default-signal=INT "$QIMPORT" start -q --limit-rate 3M --commit-interval 1 "$url" "$uri" 2>"$scratch/err" &
pid=$!
background
check "the import is under way" copying $pid
kill -STOP "$server"
sleep 1
at=$(now_ms)
kill -INT $pid
wait $pid
rc=$?
took=$(($(now_ms) - at))
exits 3 "SIGINT while the server hangs ends with 3"
check "  in ${took} ms, at most 2.5 seconds" [ $took -le 2500 ]
kill -CONT "$server"
run qimport resume -q "$uri"
exits 0 "  and it is resumed"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest raw "$disk"
forget

# --unallocated keep: what the image leaves open stays as it is.
qemu-img create -q -f qcow2 "$scratch/open.qcow2" 1M
qemu-io -c 'write -q -P 3 256K 64K' "$scratch/open.qcow2"
head -c 1M /dev/zero | tr '\0' '\5' >"$scratch/kept"
cp "$scratch/kept" "$scratch/want"
head -c 64K /dev/zero | tr '\0' '\3' | dd of="$scratch/want" bs=64K seek=4 conv=notrunc status=none
serve_nbd raw "$scratch/kept"
run qimport start -q --unallocated keep "$scratch/open.qcow2" "$uri"
exits 0 "--unallocated keep takes an export that holds data"
run qimport audit -q "$uri"
exits 0 "  and audit finds it right"
stop_nbd
assert_identical "$scratch/kept" "$scratch/want" "  and what was there is there"
forget

# By other programs, with a name, and with TLS.
new_disk qcow2
rm -f "$scratch/nbd.sock"
qemu-storage-daemon --blockdev "driver=file,node-name=file,filename=$disk" \
  --blockdev driver=qcow2,node-name=disk,file=file \
  --nbd-server addr.type=unix,addr.path="$scratch/nbd.sock" \
  --export type=nbd,id=export,node-name=disk,name=guest,writable=on 2>"$scratch/nbd.err" &
server=$!
background
wait_nbd
run qimport start -q "$url" "nbd+unix:///none?socket=$scratch/nbd.sock"
exits 6 "an export that the server has not is refused"
uri="nbd+unix:///guest?socket=$scratch/nbd.sock"
sleep 0.2 # it is exported a moment after the socket is there
run qimport start -q "$url" "$uri"
exits 0 "an import to qemu-storage-daemon ends well"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest qcow2 "$disk"
forget

mkdir "$scratch/psk" "$scratch/other"
echo "qimport:$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$scratch/psk/keys.psk"
echo "qimport:$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$scratch/other/keys.psk"
new_disk raw
serve_nbd raw "$disk" --object "tls-creds-psk,id=tls,endpoint=server,dir=$scratch/psk" --tls-creds tls
run qimport start -q "$url" "$uri"
exits 6 "a server that wants TLS is not written to without"
tls="nbds+unix://qimport@/?socket=$scratch/nbd.sock"
run qimport start -q "$url" "$tls&tls-psk-file=$scratch/other/keys.psk"
exits 6 "nor with another key"
uri="$tls&tls-psk-file=$scratch/psk/keys.psk"
run qimport start -q "$url" "$uri"
exits 0 "with the key of the server an import over TLS ends well"
stop_nbd
check "  and the disk is what qemu-img makes of the image" is_the_guest raw "$disk"
forget

# What is refused before a byte is fetched.
refused () { # STATUS SENTENCE [OPTION...]
  status=$1 sentence=$2
  shift 2
  : >"$serve_log"
  run qimport start -q "$@" "$url" "$uri"
  exits "$status" "$sentence"
  is "$(sent_bytes)" 0 "  before a byte is fetched"
}
serve_nbd raw "$disk" --read-only
refused 6 "a read-only export is refused"
refused 2 "--preallocate does not go with an export" --preallocate
stop_nbd
truncate -s 8M "$scratch/small"
serve_nbd raw "$scratch/small"
run qimport start -q "$url" "$uri"
exits 6 "an export that is too small is refused"
check "  and its size is said" grep -q "8388608" "$scratch/err"
stop_nbd
uri="nbd+unix:///?socket=$scratch/none.sock"
refused 3 "a server that is not there cannot be reached" --retry-time 0
uri="nbd+unix://name:word@/?socket=$scratch/none.sock"
refused 2 "a password in a URI is refused"
uri=nbds://127.0.0.1:1
refused 2 "nbds:// with nothing to check the server by needs --insecure"

if command -v nbdkit >/dev/null; then
  calls="get_size=echo $size"
  kit eval "$calls" 'pread=dd if=/dev/zero count=$3 iflag=count_bytes status=none' \
    'pwrite=cat >/dev/null' can_write='exit 0' can_flush='exit 3'
  refused 6 "a server without FLUSH is refused"
  stop_nbd
  kit --filter=error memory $size error=EIO error-pwrite-rate=1
  run qimport start -q "$url" "$uri"
  exits 6 "EIO of a write is a failure of the target"
  stop_nbd
  forget
  kit --filter=error memory $size error=ENOSPC error-pwrite-rate=1
  run qimport start -q "$url" "$uri"
  exits 3 "ENOSPC can be mended"
  stop_nbd
  forget
  kit --filter=blocksize-policy memory $size blocksize-minimum=512 blocksize-preferred=4096 \
    blocksize-maximum=65536 blocksize-error-policy=error
  run qimport start -q "$url" "$uri"
  exits 0 "a server's block sizes are kept to"
  stop_nbd
else
  skip "a server without FLUSH is refused" "nbdkit is not installed"
fi
done_testing
