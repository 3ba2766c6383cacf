#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is typed wrongly ends with status 2 and one line that says so; help fits a screen; a
# result that could not be written is no success; secrets are not said again.  No network.
# TAP.
: "${top_builddir:=.}"
run=$top_builddir/run
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
QIMPORT_JOURNAL=$dir/journal.db
export QIMPORT_JOURNAL
n=0

ok () { # STATUS NAME
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    sed 's/^/# /' "$dir/out" "$dir/err"
  fi
}

q () {
  "$run" qimport "$@" >"$dir/out" 2>"$dir/err"
}

# Status 2, nothing on standard output, one line "qimport: ..." that has the words $1.
refused () {
  words=$1
  shift
  q "$@"
  [ $? -eq 2 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] &&
    grep -q '^qimport: ' "$dir/err" && grep -q 'qimport help' "$dir/err" &&
    grep -qF -- "$words" "$dir/err"
  ok $? "refused: qimport $*"
}

refused 'no command'
refused 'unknown command' frobnicate
refused 'did you mean status?' stat
refused 'did you mean resume?' resmue
for c in ls list ps; do refused "'$c' (for that: status)" $c; done
for c in rm remove delete; do refused "'$c' (for that: forget)" $c disk; done
refused '(for that: --version)' version
refused 'Ctrl-C' cancel
refused 'did you mean --connections?' start --conections 3 a b
refused 'qimport help status' status --workers 3
refused '--memory needs a value' start --memory
refused '--memory' start --memory=12Q a b
refused '--connections' start --connections=-1 a b
refused '--max-time: give whole seconds' start --max-time 0.8 a b
refused 'for minutes write 30m' start --max-time 30M a b
refused 's, m, h or d' start --retry-time 5w a b
refused 'b would be bits; give bytes, as 10M' start --limit-rate 10Mb a b
refused '--checksum ALGO:HEX' start --sha256 sha512:00 a b
refused '--force takes no value' start --force=yes a b
refused '--progress' start --progress=loud a b
refused '--jobs' resume --jobs 0
refused '--older-than' forget --older-than soon
refused 'unknown option -x' start -x a b
refused 'needs URL TARGET' start a
refused 'one word too many' ensure a b c
refused 'one word too many' start a 1 2 3 4 5 6 7 8 9
refused 'needs ID' audit
refused 'needs ID' receipt
refused 'needs -o' report abcd1234
refused 'exclude each other' resume --all abcd1234
refused 'exclude each other' start -f list a b
refused 'exclude each other' status --json --prometheus
refused 'one word too many' ensure -- --force a b
refused 'unknown command' help frobnicate

printf 'http://127.0.0.1:1/a\n' >"$dir/list"
refused 'line 1' start -f "$dir/list"

q help && [ "$(wc -l <"$dir/out")" -le 24 ] && ! grep -q '.\{81\}' "$dir/out"
ok $? "help fits 24 lines of 80 columns"

q --help && mv "$dir/out" "$dir/help" && q help && cmp -s "$dir/out" "$dir/help"
ok $? "--help is help"

for c in start resume ensure status audit receipt report log info map forget; do
  q help $c && grep -q "^qimport $c" "$dir/out" && ! grep -q '.\{81\}' "$dir/out" &&
    mv "$dir/out" "$dir/help" && q $c --help && cmp -s "$dir/out" "$dir/help"
  ok $? "help $c is $c --help, in 80 columns"
done

q --version && grep -qx 'qimport [0-9][0-9.]*' "$dir/out"
ok $? "--version"
grep -qx 'unpacks: .*zstd.*' "$dir/out"
ok $? "--version says what is unpacked"

q -q --journal "$dir/none/../journal.db" --version
ok $? "options of every command stand before the command too"

# What every program of the core utilities does with a full disk.
"$run" qimport help >/dev/full 2>"$dir/err"
[ $? -eq 1 ] && grep -q '^qimport: standard output: ' "$dir/err"
ok $? "a result that does not fit the disk is status 1"

"$run" qimport help >&- 2>"$dir/err"
[ $? -eq 1 ] && grep -q '^qimport: standard output: ' "$dir/err"
ok $? "a result without standard output is status 1"

{ sleep 0.2; "$run" qimport help start 2>"$dir/err"; echo $? >"$dir/status"; } | true
[ "$(cat "$dir/status")" -eq 0 ] && [ ! -s "$dir/err" ]
ok $? "a reader that went away is no failure, and quiet"

q ensure a b 'https://user:pa55word@example.org/disk?sig=s3cret'
! grep -qE 'pa55word|s3cret' "$dir/err" && grep -q 'example.org' "$dir/err"
ok $? "userinfo and query of a URL are not repeated in a message"

q ensure a b "$(printf 'c\033[2Jd')"
! grep -q "$(printf '\033')" "$dir/err" && grep -qF 'c\x1b[2Jd' "$dir/err"
ok $? "control characters are escaped"

[ ! -e "$QIMPORT_JOURNAL" ]
ok $? "nothing of this made a journal"

# ends STATUS WORDS ARGUMENT...: so, with one line that has the words
ends () {
  status=$1 words=$2
  shift 2
  q "$@"
  [ $? -eq "$status" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && grep -qF -- "$words" "$dir/err"
  ok $? "$status: qimport $*"
}
ends 2 'h/disk.img: is a URL, and stands where the target should' start disk.img https://h/disk.img
ends 2 'is a URL, and stands where' ensure disk.img 'http://u:secret@h/disk.img?secret'
n=$((n + 1))
if grep -q secret "$dir/err"; then echo "not ok $n - and no secret is said again"; else echo "ok $n - and no secret is said again"; fi
ends 2 '- is no target' start http://h/x -
ends 2 'ndb://h/x: no kind of target' start http://h/x ndb://h/x
ends 4 'example.org/disk.qcow2: there is no such file; if it is a URL, begin it with https://' \
  start example.org/disk.qcow2 "$dir/disk"
ends 4 'begin it with https://' info localhost:8080/disk.qcow2
ends 4 'h/x.qcow2: there is no such file; if it is a URL' info https:/h/x.qcow2
ends 4 'h/x.qcow2: there is no such file; if it is a URL' info http//h/x.qcow2
ends 4 'cannot be opened; check the path' info disk.qcow2
ends 4 'cannot be opened; check the path' info dir/disk.qcow2
for o in '--max-time 5s' '--max-time 1.5h' '--retry-time 2d' '--commit-interval 0.5m' '--limit-rate 10MB' \
  "--sha256 sha256:$(printf %064d 0)"; do
  # shellcheck disable=SC2086
  q start $o "$dir/none" "$dir/none/none"
  [ $? -eq 6 ]
  ok $? "taken: qimport start $o"
done
echo "1..$n"
