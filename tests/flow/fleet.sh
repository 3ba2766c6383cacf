#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Many imports on one machine: begun from a list, left to be, gone on with at once, watched,
# counted for Prometheus, told in receipts, and forgotten, which gives the journal's space back.
# And one image for many machines, with a cache between them and its server; the job of Slurm, with
# stubs of its programs.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
image deflate 4096
serve
cd "$scratch" || exit 99

# ---- a list

{
  echo '# target names may have blanks'
  for n in 1 2 3 4; do echo "$url $scratch/disk $n.img"; done
} >list
run qimport start -f list --jobs 4 --max-time 1 --limit-rate 2M --progress none
exits 3 "four imports of a list, side by side, are interrupted by --max-time"
is "$(wc -l <err)" 4 "each with one line"
is "$(grep -c 'go on with: qimport resume [0-9a-f]*$' err)" 4 "that says how to go on"
run qimport resume
exits 2 "a bare resume does not guess among them"
is "$(grep -c '^qimport:   qimport resume ' err)" 4 "but lists them"
run qimport resume --journal "$QIMPORT_JOURNAL"
is "$(grep -c "^qimport:   qimport resume [0-9a-f]* --journal $QIMPORT_JOURNAL  *# " err)" 4 \
  "with the journal, where that was named"
run qimport resume
line=$(sed -n 's/^qimport:   \(qimport resume .*\)  *#.*/\1/p' err | head -n 1)
run qimport ${line#qimport } --limit-rate 0 --progress none
exits 0 "the command it shows goes on with the first"

(
  sleep 0.7
  kill -INT "$(cat resume.pid)"
) &
sh -c 'echo $$ >resume.pid; exec "$QIMPORT" resume --all --jobs 3 --progress none' 2>err
rc=$?
is "$rc:$(grep -c 'go on with: qimport resume' err)" 3:3 "one SIGINT stops all of resume --all --jobs 3"
run qimport resume --all --jobs 2 --limit-rate 0 --progress json
exits 0 "resume --all --jobs 2 ends them"
is "$(jq -r 'select(.state == "complete") | .target' out | sort -u | wc -l)" 3 "three of them, told as JSON"
for n in 1 2 3 4; do assert_identical "disk $n.img" "$expected" "disk $n is right"; done

run qimport ensure -f list --jobs 2
is "$rc:$(cat out err)" 0: "ensure -f of a list that is done says nothing"
rm "disk 3.img"
run qimport ensure -f list --jobs 2 --progress none
exits 0 "a disk that was removed"
assert_identical "disk 3.img" "$expected" "is imported again"
printf '%s\n' "$url $scratch/piped.img" | "$QIMPORT" start -f - -q
is $? 0 "a list is read from standard input"

# ---- watching

qimport start -q --limit-rate 4M "$url" watched.img &
watched=$!
background
for _ in $(seq 50); do
  [ "$(import_of "$scratch/watched.img" .state 2>/dev/null)" = copying ] && break
  sleep 0.05
done
timeout 60 "$QIMPORT" status --watch --json "$scratch/watched.img" >out
is $? 0 "status --watch ends when nothing is running any more"
wait $watched
check "having shown it at work, and complete" \
  jq -es 'length > 1 and (.[0].state == "copying") and (last.state == "complete")' out
run qimport status
is "$(awk "NR > 1" out | wc -l)" 7 "status has a line for each, the one whose disk was removed too"

# ---- what monitoring and auditors take

run qimport status --prometheus
if command -v promtool >/dev/null; then
  promtool check metrics <out >promtool.out 2>&1
  is "$(grep -v '^$' promtool.out)" "" "promtool has nothing to say about the metrics"
else
  skip "promtool has nothing to say about the metrics" "promtool is not installed"
fi
is "$(sed -n 's/^qimport_imports{state="complete"} //p' out)" 7 "complete imports are counted"
missing=
for metric in $(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' out); do
  grep -q "\`$metric\`" "$top_srcdir/doc/fleets.md" || missing="$missing $metric"
done
is "$missing" "" "every metric is described in fleets.md"
run qimport receipt --all
is "$(wc -l <out):$(jq -c .receipt out | wc -l):$(jq -r .id out | sort -u | wc -l)" 7:7:7 \
  "receipt --all is one JSON object a line, one line an import"

# ---- forgetting

used () { sqlite3 "$QIMPORT_JOURNAL" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null; size_of "$QIMPORT_JOURNAL"; }
qimport start -q --limit-rate 2M --max-time 1 "$url" left.img 2>/dev/null
before=$(used)
run qimport forget --older-than 1
is "$rc:$(qimport status --json | jq '.imports | length')" 0:8 "forget --older-than 1 leaves today's"
sqlite3 "$QIMPORT_JOURNAL" "UPDATE import SET finished_at = finished_at - 40 * 86400000 WHERE target LIKE '%disk 1.img'"
run qimport forget --older-than 30
is "$rc:$(qimport status --json | jq '.imports | length')" 0:7 "--older-than 30 takes the one of forty days ago"
run qimport forget --older-than 0
is "$rc:$(qimport status --json | jq -r '.imports[].state')" 0:interrupted "what is not complete is never forgotten by age"
run qimport forget "$scratch/left.img"
exits 0 "but by name"
after=$(used)
note "the journal had $before bytes, and has $after"
check "the journal gives its space back" [ $((after * 4)) -lt "$before" ]
assert_identical "disk 2.img" "$expected" "targets stay"
check "and so does the part file" [ -e left.img.qimport-part ]
run qimport start -q "$url" left.img
exits 6 "which a new import does not take unasked"
one_message "and one line says so"
check "that names it" grep -q 'left.img.qimport-part' err
run qimport start -q --force "$url" left.img
exits 0 "with --force it does"
assert_identical left.img "$expected" "and the disk is right"

# ---- one download for many hosts

host () { QIMPORT_JOURNAL=$scratch/$1.db exec "$QIMPORT" ensure -q "$url" "$scratch/$1.img"; }
origin_pid=$serve_pid origin_log=$serve_log
background="$background $origin_pid"
: >"$origin_log"
serve_pid=
serve_behind=$serve_url
serve_start "$scratch/cache" "$scratch" || bail "nginx does not start as a cache"
url=$serve_url/${image##*/}
(host first) 2>first.err &
first=$!
background
(host second) 2>second.err &
second=$!
background
wait $first
is "$?:$(cat first.err)" 0: "an import through etc/nginx/image-cache.conf"
wait $second
is "$?:$(cat second.err)" 0: "and another at the same time, each with its journal as on two hosts"
assert_identical first.img "$expected" "one disk is right"
assert_identical second.img "$expected" "and the other"
# Its log is whole when it has ended.
kill $origin_pid
wait $origin_pid 2>/dev/null
note "the origin was asked $(wc -l <"$origin_log") times, the cache $(wc -l <"$serve_log") times"
slices=$((($(size_of "$image") + 1048575) / 1048576))
is "$(wc -l <"$origin_log"):$(awk '{ print $5 }' "$origin_log" | sort -u | wc -l)" "$slices:$slices" \
  "the origin was asked for each MiB, and for none twice"
is "$(awk '{ n += $4 } END { print n }' "$origin_log")" "$(size_of "$image")" "and sent each byte of the image once"
(host third) 2>third.err
is "$?:$(cat third.err)" 0: "a third host needs it no more: it has ended, and the cache has all"
assert_identical third.img "$expected" "with the right disk"

# ---- the job of Slurm

serve_behind=
serve
mkdir bin
ln -s "$(readlink -f "$QIMPORT")" bin/qimport
printf '#!/bin/sh\ncat "%s/state"\n' "$scratch" >bin/squeue
printf '#!/bin/sh\necho "$@" >>"%s/requeued"\n' "$scratch" >bin/scontrol
chmod +x bin/*
job () {
  rm -f requeued
  echo "$1" >state
  shift
  run env PATH="$scratch/bin:$PATH" SLURM_JOB_ID=17 sh "$top_srcdir/etc/slurm/import-image.sbatch" "$@"
}
slow="$url $scratch/slurm.img --limit-rate 500K"
# shellcheck disable=SC2086
job RUNNING $slow --max-time 1
is "$rc:$(cat requeued)" "3:requeue 17" "the job of Slurm goes back into the queue when it was interrupted"
SLURM_RESTART_COUNT=20
export SLURM_RESTART_COUNT
# shellcheck disable=SC2086
job RUNNING $slow --max-time 1
is "$rc:$([ -e requeued ] && echo requeued)" 3: "not for ever"
unset SLURM_RESTART_COUNT
# shellcheck disable=SC2086
job COMPLETING $slow --max-time 1
is "$rc:$([ -e requeued ] && echo requeued)" 3: "nor when it was cancelled"
job RUNNING "$url.not" "$scratch/not.img"
is "$rc:$([ -e requeued ] && echo requeued)" 4: "nor for an image that is not there"
job RUNNING "$url" "$scratch/slurm.img"
is "$rc:$([ -e requeued ] && echo requeued)" 0: "and resumes in the end"
assert_identical slurm.img "$expected" "with the right disk"
cd /
done_testing
