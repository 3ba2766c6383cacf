#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the program shows of imports, to people and to programs, and how signals end them.  The
# image is a file, slowed by --limit-rate: no network.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
image plain 65536
disk=$scratch/disk.img

# A slow import in the background, $pid, that has something committed.
start_slow () {
  "$QIMPORT" start --limit-rate 4M "$@" "$image" "$disk" >"$scratch/slow.out" 2>"$scratch/slow.err" &
  pid=$!
  background
  for _ in $(seq 100); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null)" -gt 0 ] 2>/dev/null && return 0
    sleep 0.05
  done
  bail "nothing was committed in five seconds: $(cat "$scratch/slow.err")"
}

# FILTER is true of the last run's output.
is_json () { jq -e "$1" "$scratch/out" >/dev/null; }

# ---- secrets

"$QIMPORT" start --proxy me:pa55word@127.0.0.1:9 --retry-time 5 \
  'http://user:pa55word@127.0.0.1:9/disk?sig=s3cret' "$scratch/x.img" >"$scratch/out" 2>&1 &
pid=$!
background
sleep 0.3
tr '\0' ' ' <"/proc/$pid/cmdline" >"$scratch/cmdline"
check "the arguments of the process still say what it does" grep -q 127.0.0.1 "$scratch/cmdline"
check "but no secret" sh -c '! grep -qE "pa55word|s3cret" "$1"' - "$scratch/cmdline"
kill -INT $pid
wait $pid
check "no secret is in its messages" sh -c '! grep -qE "pa55word|s3cret" "$1"' - "$scratch/out"
rm -f "$QIMPORT_JOURNAL"*

# ---- a server that does not answer

"$QIMPORT" info --retry-time 7 http://127.0.0.1:1/disk >"$scratch/info.out" 2>"$scratch/info.err" &
info=$!
background
run qimport start -v --progress none --retry-time 1 http://127.0.0.1:1/disk "$scratch/x.img"
exits 3 "nobody listens"
check "--verbose tells each try while it lasts" grep -q 'retry: .*; again in ' "$scratch/err"
script -qec "stty cols 60; '$QIMPORT' start --retry-time 1 http://127.0.0.1:1/disk '$scratch/x.img'" \
  /dev/null </dev/null >"$scratch/tty" 2>&1
check "a terminal is told why it waits, also where it is narrow" \
  grep -q "x.img  [.][.][.].*Couldn't connect to server; again in " "$scratch/tty"

# ---- an import that is interrupted

start_slow
run qimport status
check "status shows it, within 80 columns but for the target" \
  sh -c 'grep -q copying "$1" && [ "$(awk "{ print length (\$1 \$2 \$3 \$4 \$5) }" "$1" | sort -n | tail -n 1)" -le 50 ]' - "$scratch/out"
run qimport status --prometheus
check "its metrics are samples with HELP and TYPE" awk '
  /^# (HELP|TYPE) / { seen[$3] = 1; next }
  { name = $1; sub (/[{].*/, "", name); if (!seen[name] || NF < 2) exit 1; n++ }
  END { exit n < 10 }' "$scratch/out"
run qimport status "$disk" --json
check "status ID --json is one object" is_json '.state == "copying"'
id=$(jq -r .id "$scratch/out")
run qimport status "$id" "$disk" none --json
is "$rc" 7 "one of several that is not there makes the exit status"
check "and the others are told all the same" is_json '.imports | length == 2'
run qimport forget "$id"
is "$rc" 7 "what is being worked on is not forgotten"

kill -INT $pid
sleep 0.01
kill -INT $pid 2>/dev/null
wait $pid
is $? 3 "SIGINT, even sent twice at once as timeout(1) does, ends it with 3"
short=$(echo "$id" | cut -c 1-8)
is "$(tail -n 1 "$scratch/slow.err" | sed 's/[0-9.]* [KM]iB/N/g')" \
  "qimport: interrupted; N of N are safe; go on with: qimport resume $short" \
  "one line says what is safe and how to go on"

"$QIMPORT" --journal "$QIMPORT_JOURNAL" resume --max-time 1 --limit-rate 1M 2>"$scratch/err"
is $? 3 "--max-time ends it with 3"

run qimport resume "$short" --progress json --limit-rate 8M
exits 0 "a prefix of its id is enough to resume it"
assert_identical "$disk" "$expected" "the disk is right"
check "--progress json is an object a line with rate and eta_seconds" \
  sh -c 'jq -es "$2" "$1" >/dev/null' - "$scratch/out" 'length > 1 and all(.[]; has("rate") and has("eta_seconds") and has("state"))
          and last.state == "complete"'
check "one line tells that it is complete" \
  sh -c '[ "$(grep -c "^qimport: complete: " "$1")" -eq 1 ]' - "$scratch/err"

check "and that its SHA-256 was computed, but not checked" grep -q 'computed, not checked' "$scratch/err"

"$QIMPORT" --journal "$scratch/an other.db" start --max-time 1 --limit-rate 1M "$image" "$scratch/o.img" \
  2>"$scratch/err"
check "the advice names a journal that was given, ready for the shell" \
  grep -q "go on with: qimport resume [0-9a-f]* --journal '$scratch/an other.db'\$" "$scratch/err"
run qimport start --sha256 "$(sha256sum <"$image" | cut -c 1-64)" "$image" "$scratch/p.img"
check "a SHA-256 that was given is said to be checked" grep -q '(sha256) is as expected: checksum as given' "$scratch/err"
qimport forget "$scratch/p.img"

qemu-img create -q -f qcow2 "$scratch/sparse.qcow2" 512M
qemu-io -c 'write -P 7 0 10M' "$scratch/sparse.qcow2" >/dev/null
run qimport start --progress json --limit-rate 4M "$scratch/sparse.qcow2" "$scratch/sparse.img"
check "what it says is left is what is left to fetch, though zeros are committed at once" \
  jq -es '[.[] | select (.state == "copying" and .rate > 0)
           | (.bytes.image_total - .bytes.fetched) / .bytes.image_total
             - .eta_seconds * .rate / .bytes.image_total]
          | length > 0 and all (.[]; fabs < 0.3)' "$scratch/out"
qimport forget "$scratch/sparse.img"

run qimport ensure "$image" "$disk"
exits 0 "ensure finds it complete"
is "$(cat "$scratch/out" "$scratch/err")" "" "and says nothing"
run qimport resume
is "$rc" 7 "there is nothing to resume"
run qimport resume --all
is "$rc:$(cat "$scratch/out" "$scratch/err")" "0:" "which is no failure with --all"

# ---- reading

run qimport log "$disk"
check "log tells start, interruption and end" \
  sh -c 'grep -q " started " "$1" && grep -q " interrupted " "$1" && grep -q " completed" "$1"' - "$scratch/out"
run qimport log "$disk" --json
check "log --json is an object of events" is_json '.events | length > 2'
qemu-img map "$image" | sed 1d | awk '{ print $1, $2, $3 }' >"$scratch/want"
run qimport map "$image"
sed 1d "$scratch/out" | awk '{ print $1, $2, $3 }' >"$scratch/got"
check "map of the image shows what qemu-img map shows" cmp "$scratch/got" "$scratch/want"
run qimport map "$disk"
sed 1d "$scratch/out" | awk '{ print $1, $2, $3 }' >"$scratch/got"
check "map of the import shows the same" cmp "$scratch/got" "$scratch/want"
run qimport map "$scratch/neither"
is "$rc" 7 "a word that is neither import nor file is status 7"
run qimport info "$image"
check "info tells the virtual size" grep -q "^virtual size: .*($(size_of "$expected") bytes)" "$scratch/out"

"$QIMPORT" status >&- 2>/dev/null
is $? 1 "status that cannot be written is a failure"

wait $info
is "$?:$(grep -c 'still waiting for http://127.0.0.1:1/disk; Ctrl-C ends it' "$scratch/info.err")" 3:1 \
  "info says once that it waits"

# ---- two signals, closed descriptors, several at once

qimport forget "$disk"
rm -f "$disk"
start_slow --progress none
id=$(import_of "$disk" .id)
"$QIMPORT" resume "$id" <&- >&- 2>&-
is $? 7 "a second process is refused, and with 0, 1 and 2 closed too"
kill -STOP $pid
kill -INT $pid
sleep 0.3
kill -CONT $pid
wait $pid
is $? 3 "a signal that came while it was stopped counts"
check "the log says once that it was interrupted" sh -c '"$1" log "$2" | grep -q "  interrupted$"' - "$QIMPORT" "$id"
"$QIMPORT" resume "$id" <&- >&- 2>&-
is $? 0 "an import runs with 0, 1 and 2 closed"
assert_identical "$disk" "$expected" "and writes to nothing but its disk"

printf '# a comment\n\n%s %s\n%s\t%s\n' "$image" "$scratch/a.img" "$image" "$scratch/b c.img" \
  >"$scratch/list"
run qimport start -f "$scratch/list" --jobs 2
exits 0 "two imports from a list, side by side"
assert_identical "$scratch/a.img" "$expected" "the first is right"
assert_identical "$scratch/b c.img" "$expected" "and the second, with a blank in its name"

printf '%s %s\n%s %s\n' "$scratch/none.qcow2" "$scratch/n.img" "$image" "$scratch/d.img" >"$scratch/list"
run qimport start -f "$scratch/list"
is "$rc" 4 "one that fails makes the exit status"
assert_identical "$scratch/d.img" "$expected" "and does not keep the next from being imported"

good=$(sha256sum <"$image" | cut -d' ' -f1)
bad=$(printf %064d 0)
printf '%s\t%s  --checksum sha256:%s --memory=32M\n%s %s --checksum=sha256:%s\r\n' \
  "$image" "$scratch/e f.img" "$good" "$image" "$scratch/g.img" "$bad" >"$scratch/list"
run qimport start -q --digest off -f "$scratch/list"
is "$rc" 4 "options on a line of a list are of that line: the wrong checksum"
assert_identical "$scratch/e f.img" "$expected" "and not of the other"
is "$(sqlite3 "$QIMPORT_JOURNAL" "SELECT options FROM import WHERE target LIKE '%/e f.img'" | grep -c '^digest=off\|^memory=33554432\|^checksum=')" 3 \
  "which has those of the command line too"
qimport forget "$scratch/e f.img" "$scratch/g.img"
for line in '--no-such' '--memory' '--memory x' '--verify=1' '--json' 'word --verify x'; do
  printf '%s %s/h.img %s\n' "$image" "$scratch" "$line" >"$scratch/list"
  run qimport start -f "$scratch/list"
  is "$rc:$(grep -c 'list line 1: ' "$scratch/err"):$(wc -l <"$scratch/err")" 2:1:1 "'$line' on a line: 2, and it is named"
done

run qimport forget "$scratch/a.img" "$scratch/b c.img" none
is "$rc" 7 "forget tries each"
run qimport forget --older-than 0
is "$rc:$(qimport status --json | jq '[.imports[] | select(.state == "complete")] | length')" 0:0 \
  "forget --older-than 0 forgets what is complete"
check "and leaves the disks" test -s "$disk"

done_testing
