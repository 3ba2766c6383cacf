# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lib: what every flow test starts with:
#
#     . "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
#
# TAP, a scratch directory, a private journal, real disk images, a server, and the end of all of
# them however the test ends.  make check sets $top_srcdir and $top_builddir; by hand, run a test
# from the build directory: ../tests/flow/interrupt.sh
#
#     ok SENTENCE; not_ok SENTENCE [WHY...]      a TAP point
#     check SENTENCE COMMAND...                  ok if the command is true
#     is GOT WANT SENTENCE                       ok if they are the same
#     skip SENTENCE WHY; skip_all WHY; bail WHY
#     needs PROGRAM...                           or root; else all of the test is skipped.  What a
#                                                test needs stands in tests/TESTS
#     done_testing                               the last line of every test
#     run COMMAND...                             $rc, $scratch/out, $scratch/err
#     one_message SENTENCE                       of the last run: one line, "qimport: " first
#     image FORMAT CLUSTER_SIZE [MIB]            $image: a qcow2 of real files; $expected: its
#                                                guest as qemu-img convert -O raw makes it
#     serve [RATE]                               $url: where $image is; see serve.sh
#     assert_identical FILE WANT SENTENCE
#     import_of ID JQ                            a value of status --json, say .bytes.fetched
#     needs_shared_library                       else all is skipped; $preload: what LD_PRELOAD must
#                                                be for a program that was not built as it was
#     kill_after_ms PID MS; random_below N       $random
#
# Start what is to be killed as "$QIMPORT" ... & (a function would put a shell in between).
set -u
case $0 in
  */flow/* | */long/* | */durability/*) : "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" ;;
  *) : "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" ;;
esac
: "${top_builddir:=$(pwd)}"
. "$top_srcdir/tests/flow/serve.sh"
. "$top_srcdir/tests/flow/guest.sh"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/qimport-flow.XXXXXX") || exit 99
cache=$top_builddir/tests-cache
# The controls put a program with a seeded bug here.
QIMPORT=${QIMPORT_TEST_PROGRAM:-$top_builddir/.libs/qimport}
[ -n "${QIMPORT_TEST_PROGRAM:-}" ] || [ -x "$QIMPORT" ] || QIMPORT=$top_builddir/qimport
[ -x "$QIMPORT" ] || { echo "Bail out! there is no $QIMPORT"; exit 1; }
LD_LIBRARY_PATH=$top_builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
QIMPORT_JOURNAL=$scratch/journal.db
HOME=$scratch
# A finding of a sanitizer is no exit status of the contract.
ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}
LC_ALL=C
export QIMPORT LD_LIBRARY_PATH QIMPORT_JOURNAL HOME LC_ALL ASAN_OPTIONS UBSAN_OPTIONS
unset http_proxy https_proxy all_proxy no_proxy XDG_STATE_HOME CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR

# ---- TAP

points=0
ok () { points=$((points + 1)); echo "ok $points - $1"; }
not_ok () {
  points=$((points + 1))
  echo "not ok $points - $1"
  shift
  for why in "$@"; do printf '%s\n' "$why" | sed 's/^/#   /'; done
}
check () {
  sentence=$1
  shift
  if "$@"; then ok "$sentence"; else not_ok "$sentence" "failed: $*"; fi
}
is () { if [ "$1" = "$2" ]; then ok "$3"; else not_ok "$3" "got:  $1" "want: $2"; fi; }
skip () { points=$((points + 1)); echo "ok $points - $1 # SKIP $2"; }
skip_all () { echo "1..0 # SKIP $1"; exit 0; }
bail () { echo "Bail out! $1"; exit 1; }
note () { printf '# %s\n' "$1"; }
done_testing () { echo "1..$points"; }
needs () {
  for tool in "$@"; do
    if [ "$tool" = root ]; then
      [ "$(id -u)" = 0 ] || skip_all "it needs root"
    else
      PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null || skip_all "$tool is not installed"
    fi
  done
}

needs_shared_library () {
  preload=
  [ -e "$top_builddir/.libs/libqimport.so.0" ] || skip_all "there is no shared library in this build"
  case ${SANITIZE_CFLAGS:-} in
    "") ;;
    *address*)
      preload=$(${CC:-cc} -print-file-name=libasan.so)
      [ -e "$preload" ] || skip_all "the sanitizers' library is not to be found"
      # What such a program leaks itself is not ours.
      ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 ;;
    *) skip_all "it runs without $SANITIZE_CFLAGS" ;;
  esac
}

# The row of this test: what it needs.
row=$(cd "$(dirname "$0")" && pwd)/${0##*/}
row=$(awk -v "file=${row##*/tests/}" '$1 == "tests/" file { print $1 = $2 = "", $0; found = 1 }
  END { exit !found }' "$top_srcdir/tests/TESTS") || bail "$0 is not in tests/TESTS"
# shellcheck disable=SC2086
needs $row

# ---- the end

background=
finish () {
  trap - EXIT HUP INT TERM
  for pid in $background; do kill -9 "$pid" 2>/dev/null; done
  serve_stop
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 99' HUP INT TERM
# The last command put into the background dies with the test.
background () { background="$background $!"; }

# ---- running

qimport () { "$QIMPORT" "$@"; }
run () {
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
}
one_message () {
  if [ "$(wc -l <"$scratch/err")" = 1 ] && grep -q '^qimport: ' "$scratch/err"; then
    ok "$1"
  else
    not_ok "$1" "standard error was:" "$(cat "$scratch/err")"
  fi
}
exits () { if [ "$rc" = "$1" ]; then ok "$2"; else
  not_ok "$2" "exit status $rc, not $1" "$(tail -n 20 "$scratch/err")"; fi; }
assert_identical () {
  if cmp "$1" "$2" >"$scratch/cmp" 2>&1; then ok "$3"; else not_ok "$3" "$(cat "$scratch/cmp")"; fi
}
import_of () { qimport status "$1" --json | jq -r "$2"; }

# ---- chance, that can be repeated

seed=${QIMPORT_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
random_below () {
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  random=$((seed / 65536 % $1))
}
say_seed () { note "QIMPORT_TEST_SEED=$seed repeats this run"; }
sleep_ms () { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }
kill_after_ms () {
  sleep_ms "$2"
  kill -9 "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}
now_ms () { date +%s%3N; }

# ---- images and the server

# Kept over runs in $cache, made by whoever comes first.
image () {
  image=$cache/guest-${3:-24}-$1-$2.qcow2
  expected=$cache/guest-${3:-24}.raw
  mkdir -p "$cache"
  flock "$cache/lock" sh -c '
    . "$1/tests/flow/guest.sh"
    guest_make "$2" "$3" && guest_qcow2 "$2" "$4" "$5" "$6"' \
    image "$top_srcdir" "$expected" "${3:-24}" "$image" "$1" "$2" >&2 ||
    bail "cannot make $image"
  [ -z "$serve_pid" ] || url=$serve_url/${image##*/}
}
serve () {
  serve_stop
  serve_start "$scratch/nginx" "$cache" "${1:-0}" || bail "nginx does not start"
  url=$serve_url/${image##*/}
}
# Body bytes that the server sent of $image, whatever the program says.
sent_bytes () { awk -v p="/${image##*/}" '$2 == p { n += $4 } END { printf "%.0f\n", n }' "$serve_log"; }
size_of () { stat -c %s "$1"; }
