#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What people see, whatever their terminal and locale: no colour where none is wanted, no line
# wider than the terminal, only ASCII where only that is understood, binary units that say so,
# local time for people and UTC for programs.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
image deflate 65536
cd "$scratch" || exit 99
name=a-rather-long-name-of-a-disk-image-for-a-guest.img
esc=$(printf '\033')

# The bytes that an import of two seconds writes to a terminal of $1 columns, in $scratch/tty.
on_terminal () { # COLUMNS ENVIRONMENT...
  columns=$1
  shift
  rm -f ./*.img "$QIMPORT_JOURNAL"*
  env "$@" script -qec "stty cols $columns rows 24; '$QIMPORT' start --limit-rate 4M '$image' $name" \
    /dev/null >tty </dev/null 2>&1
}
# Columns of the widest line of the bar; the messages that follow it are not cut.
widest () {
  tr '\r' '\n' <tty | sed "s/$esc\[[0-9;]*[A-Za-z]//g" | grep -v '^qimport: ' |
    LC_ALL=C.UTF-8 wc -L
}

on_terminal 80 LC_ALL=C.UTF-8 TERM=xterm
check "a terminal gets a bar" grep -q '[0-9]%' tty
check "in colour" grep -q "$esc\[36m" tty
check "of block characters where they are understood" grep -q '█' tty
check "within 80 columns" [ "$(widest)" -gt 40 -a "$(widest)" -lt 80 ]
on_terminal 80 LC_ALL=C.UTF-8 TERM=xterm NO_COLOR=1
check "NO_COLOR: a bar" grep -q '[0-9]%' tty
check "without colour" sh -c '! grep -q "\[[0-9;]*m" tty'
on_terminal 40 LC_ALL=C TERM=xterm
check "40 columns are enough" [ "$(widest)" -gt 20 -a "$(widest)" -lt 40 ]
check "a locale of ASCII gets nothing but ASCII" sh -c '! LC_ALL=C grep -q "[^[:print:][:cntrl:]]" tty'
on_terminal 80 LC_ALL=C TERM=dumb
check "a dumb terminal gets no escapes" sh -c '! grep -q "$1" tty' - "$esc"
check "but is told" grep -q '^qimport: complete' tty

run qimport status
check "nothing in a table that is no terminal's is an escape" sh -c '! grep -q "$1" out' - "$esc"
script -qec "stty cols 80 rows 24; '$QIMPORT' status" /dev/null </dev/null | tr -d '\r' >tty
check "a terminal's table is within its 80 columns" [ "$(widest)" -gt 40 -a "$(widest)" -le 80 ]

long=$scratch/a-directory-with-a-rather-long-name-in-which-disks-of-virtual-machines-are/machine-7.img
mkdir "${long%/*}" images-of-the-publisher-by-release-and-architecture
ln -s "$image" images-of-the-publisher-by-release-and-architecture/debian-12-generic-amd64.qcow2
run qimport start -q images-of-the-publisher-by-release-and-architecture/debian-12-generic-amd64.qcow2 "$long"
script -qec "stty cols 80 rows 24; '$QIMPORT' status" /dev/null </dev/null | tr -d '\r' >tty
check "80 columns keep the names of target and image, whatever goes before them" \
  grep -q 'machine-7.img .*debian-12-generic-amd64.qcow2' tty
check "and are no more than that" [ "$(widest)" -le 80 ]
run qimport status
check "what is no terminal's keeps the target whole, and the image's name" \
  grep -q "$long .*\.qcow2" out
qimport forget "$long"

# ---- several at once, and watching them

printf '%s %s\n' "$image" one.img "$image" two.img "$image" three.img >list
watch_narrow () {
  script -qec "stty cols 40 rows 5; '$QIMPORT' status --watch" /dev/null </dev/null >watched 2>&1
}
(
  until [ "$(qimport status --json 2>/dev/null | jq '[.imports[] | select(.state == "copying")] | length')" = 2 ]; do
    sleep 0.1
  done
  watch_narrow
) &
watcher=$!
background
LC_ALL=C TERM=xterm script -qec "stty cols 60 rows 24; '$QIMPORT' start --jobs 2 --limit-rate 4M -f list" \
  /dev/null </dev/null >tty 2>&1
wait $watcher
check "under the bars of several stands how far they are together" \
  grep -q '[0-3] of 3 done, [12] at work  [0-9.]* [KM]iB/s' tty
check "within 60 columns" [ "$(widest)" -gt 40 -a "$(widest)" -lt 60 ]
mv watched tty
check "status --watch shows them, within 40 columns" [ "$(widest)" -gt 20 -a "$(widest)" -le 40 ]
check "as one screen, that is drawn again" grep -q "$esc\[H$esc\[J" tty
# Four imports are in the journal; the table has a line for its heads.
check "those at work, and no more lines than there are" \
  awk -v clear="$esc\\\\[H" '$0 ~ clear { n = 0 } { n++ } /copying/ { seen++ } n > 4 { bad = 1 }
    END { exit bad || seen < 2 }' tty

# ---- units

qimport status "$name" >out
qimport info "$image" >>out
check "sizes are in binary units, and say so" grep -q 'virtual.size: .* [KMG]iB ([0-9]* bytes)' out
check "and never in units that could be either" sh -c '! grep -E "[0-9] [KMGT]B\b" out tty'
check "the manual says what K, M and G are" \
  sh -c 'tr "\n" " " <"$1" | grep -q "powers of 1024"' - "$top_srcdir/doc/qimport.1"

# ---- time

utc=$(TZ=UTC qimport status "$name" | sed -n 's/^finished: *//p')
there=$(TZ=JST-9 qimport status "$name" | sed -n 's/^finished: *//p')
is "$(date -u -d "$utc 9 hours" '+%F %T')" "$there" "people see their own time"
TZ=JST-9 qimport status --json "$name" | jq -r .finished_at >out
is "$(cut -c 1-19 out | tr T ' ')" "$utc" "programs see UTC, wherever they run"
check "and that it is" grep -q 'Z$' out
is "$(TZ=JST-9 qimport log --json "$name" | jq -r '[.events[].at | endswith("Z")] | all')" true \
  "so in the log as JSON"
is "$(TZ=JST-9 qimport log "$name" | tail -n 1 | cut -c 1-13)" "$(echo "$there" | cut -c 1-13)" \
  "and the log for people is in theirs"
cd /
done_testing
