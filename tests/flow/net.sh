# SPDX-License-Identifier: LGPL-2.1-or-later
#
# net: what the tests of network, servers and sources share, after lib.sh.  Sourced by
# tests/flow/net-*.sh.
#
#     net_image [MIB]      $image, $expected: MIB (6) of data that no compression helps, and a hole
#     liar [OPTION...]     a lying server of $image; $port, $url, $requests (its log); see
#                          tests/tools/lying-server.py.  It may be called again: another server
#     lie TEXT             from now on, for all paths; no TEXT: honest
#     asked [JQ]           requests since the last `lie' that JQ selects: how many
#     first_ask JQ         of the first of them, the value of JQ
#     begin [OPTION...]    an import of $url, with $begin_lies ("LIE+"), into $disk that ends with 3 somewhere in the middle,
#                          $committed: guest bytes
#     untouched SENTENCE   journal and part file are as `begin' left them
#     nothing SENTENCE     neither target nor part file nor import is there
#     says PATTERN SENTENCE    of the last run's standard error
#     stopped STATUS SENTENCE  there is no target, and an import that says why
#     finishes SENTENCE    an honest resume ends with 0, $disk is right and the journal says so
#     always LIES STATUS PATTERN WHAT [REQUESTS]    so it ends at the start, at resume (after REQUESTS,
#                          5) and in the middle, and says PATTERN; nothing of it is used
#     broken_ranges LIES STATUS PATTERN WHAT    the same, but at the start it is read forward
#     survives LIES WHAT   start and resume (or $whens) end with 0 and every byte right
#     afresh               forget the import and its files
#     no_secrets [SENTENCE]    no secret in anything that the test has left or shown so far, and
#                          some were used.  A secret is any word with SeCrEt in it, in these cases
#                          or the other way round: in arguments, credential files and lies
#     no_controls SENTENCE nor was a control character shown
#
# run is lib.sh's, but keeps all output, and looks at the journal's bytes and the arguments of the
# process while it runs.

net_image () {
  image=$scratch/image.qcow2 expected=$scratch/expected.raw
  python3 - "$scratch/expected.raw" "${1:-6}" <<'END'
import random, sys
mib = int(sys.argv[2])
r = random.Random(7)
with open(sys.argv[1], "wb") as f:
    for i in range(mib):
        f.seek(i << 20 if i < mib // 2 else (i + 2) << 20)
        f.write(r.randbytes(1 << 20))
END
  qemu-img convert -f raw -O qcow2 "$expected" "$image" || bail "qemu-img"
}

liars=0
liar () {
  liars=$((liars + 1))
  requests=$scratch/requests.$liars control=$scratch/control.$liars
  : >"$requests"
  : >"$control"
  python3 "$top_srcdir/tests/tools/lying-server.py" --file "$image" --log "$requests" \
    --control "$control" "$@" >"$scratch/port.$liars" 2>"$scratch/liar.err" &
  background
  for _ in $(seq 100); do
    [ ! -s "$scratch/port.$liars" ] || break
    sleep 0.05
  done
  port=$(cat "$scratch/port.$liars")
  [ -n "$port" ] || bail "the server does not start: $(cat "$scratch/liar.err")"
  url=http://127.0.0.1:$port/image
}
lie () {
  case ${1:-} in *SeCrEt* | *sEcReT*) secrets_used=$((secrets_used + 1)) ;; esac
  echo "${1:-}" >"$control"
  : >"$requests"
}
asked () { jq -s "[.[] | select(${1:-true})] | length" "$requests"; }
first_ask () { jq -rs "[.[] | $1][0]" "$requests"; }

# ---- J8

secret='SeCrEt\|sEcReT'
leaks=$scratch/leaks controls=$scratch/controls
: >"$leaks"
: >"$controls"
# look_into WHAT FILE...: note what is there that should not be
look_into () {
  looked=$1
  shift
  for file in "$@"; do
    [ ! -s "$file" ] || LC_ALL=C grep -ao ".\{0,20\}\($secret\)" "$file" | tr -c '\n[:print:]' . |
      sed "s|^|${looked} (${file##*/}): |" >>"$leaks"
  done
}
sockets_of () { ls -l "/proc/$1/fd" 2>/dev/null | grep -o 'socket:.*'; }
# The arguments of process $1 once it has a socket that is not inherited: it has had the time to
# hide them by then.  (In the middle of an exec it has no arguments at all.)
arguments_of () {
  inherited=$(sockets_of $$)
  while grep -q '^State:[^Z]*$' "/proc/$1/status"; do
    if [ -n "$(sockets_of "$1" | grep -vxF "${inherited:-none}")" ]; then
      tr '\0' ' ' <"/proc/$1/cmdline"
      return
    fi
    sleep 0.01
  done
}
secrets_used=0
control_characters=$(printf '[\001-\010\013-\037\177]')
run () {
  said=$*
  if [ "$1" = qimport ]; then
    shift
    set -- "$QIMPORT" "$@"
  fi
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
  ran=$!
  case $said in
    *SeCrEt* | *sEcReT* | *-file*)
      secrets_used=$((secrets_used + 1))
      arguments_of $ran >"$scratch/arguments" 2>/dev/null
      ;;
  esac
  wait $ran
  rc=$?
  look_into "after $(echo "$said" | tr '|&\\\n' ....)" "$scratch/out" "$scratch/err" "$scratch/arguments" \
    "$QIMPORT_JOURNAL" "$QIMPORT_JOURNAL-wal" "$QIMPORT_JOURNAL-shm"
  rm -f "$scratch/arguments"
  LC_ALL=C grep -ah "$control_characters" "$scratch/out" "$scratch/err" | od -c >>"$controls"
}
no_controls () { is "$(grep -v '^0000000$' "$controls")" "" "$1"; }
no_secrets () {
  {
    qimport status
    qimport status --json
    qimport status --prometheus
    for id in $(qimport status --json | jq -r '.imports[].id'); do
      qimport log "$id"
      qimport log "$id" --json
      qimport receipt "$id"
      qimport report "$id" -o "$scratch/report.html"
      cat "$scratch/report.html"
    done
  } >"$scratch/shown" 2>&1
  look_into "at the end" "$scratch/shown" "$QIMPORT_JOURNAL" "$QIMPORT_JOURNAL-wal"
  if [ -s "$leaks" ]; then
    not_ok "${1:-no secret was left or shown anywhere}" "$(sort "$leaks" | uniq -c | head -n 20)"
  else
    check "${1:-no secret was left or shown anywhere}, in $secrets_used runs that had some" [ $secrets_used -gt 0 ]
  fi
}

# With the exit status goes a state of the import in the journal; "": it has none of $disk.  The
# second Ctrl-C lets nobody write it down.
agrees () { # STATUS STATE
  case $1/$2 in
    */ | 0/complete | [37]/interrupted | 130/* | [4568]/failed) return 0 ;;
    *) return 1 ;;
  esac
}
exits () {
  state=
  [ ! -e "$QIMPORT_JOURNAL" ] || state=$(sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT state FROM
    import_summary WHERE target = '$disk' ORDER BY started_at DESC LIMIT 1" 2>/dev/null)
  if [ "$rc" != "$1" ]; then
    not_ok "$2" "exit status $rc, not $1" "$(cat "$scratch/err")"
  elif ! agrees "$rc" "$state"; then
    not_ok "$2" "exit status $rc, but the journal says $state" "$(cat "$scratch/err")"
  else
    ok "$2"
  fi
}

says () {
  if grep -q -- "$1" "$scratch/err"; then ok "$2"; else not_ok "$2" "$(cat "$scratch/err")"; fi
}

# What must not change while an import is refused.
lasting_state () {
  qimport status "$disk" --json | jq -c '[.image, .bytes.guest_committed, .segments, .clusters]'
  sha256sum <"$disk.qimport-part"
}
begin () {
  afresh
  lie "${begin_lies:-}quota,2500000"
  run qimport start --connections 1 --retry-time 0 "$@" "$url" "$disk"
  lie
  [ "$rc" = 3 ] || bail "exit status $rc where 3 was wanted: $(cat "$scratch/err")"
  committed=$(import_of "$disk" .bytes.guest_committed)
  [ "$committed" -gt 0 ] && [ "$committed" -lt "$(size_of "$expected")" ] ||
    bail "$committed bytes are committed"
  lasting_state >"$scratch/lasting"
}
untouched () {
  lasting_state >"$scratch/lasting.now"
  if [ ! -e "$disk" ] && cmp -s "$scratch/lasting" "$scratch/lasting.now"; then
    ok "$1"
  else
    not_ok "$1" "$(diff "$scratch/lasting" "$scratch/lasting.now")"
  fi
}
nothing () {
  if [ ! -e "$disk" ] && [ ! -e "$disk.qimport-part" ] &&
    [ "$(qimport status --json | jq '.imports | length')" = 0 ]; then
    ok "$1"
  else
    not_ok "$1" "$(ls -l "$scratch"; qimport status 2>&1)"
  fi
}
finishes () {
  lie
  run qimport resume -q "$disk"
  if is_right; then ok "$1"; else not_ok "$1" "exit status $rc" "$(cat "$scratch/err" "$scratch/cmp")"; fi
}
# The last run ended with 0, the target is as it should be, and the journal knows it.
is_right () {
  [ "$rc" = 0 ] && cmp "$disk" "$expected" >"$scratch/cmp" 2>&1 && [ ! -e "$disk.qimport-part" ] &&
    [ "$(import_of "$disk" .state)" = complete ]
}
# stopped STATUS SENTENCE: there is no target, but an import that says why
stopped () {
  state=$(import_of "$disk" '.state + " " + (.error.code != null | tostring)')
  want=failed
  [ "$1" != 3 ] || want=interrupted
  if [ ! -e "$disk" ] && [ -e "$disk.qimport-part" ] && [ "$state" = "$want true" ]; then
    ok "$2"
  else
    not_ok "$2" "state $state" "$(ls -l "$scratch")"
  fi
}
afresh () {
  qimport forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
}

# ---- answers

# at_start LIES STATUS PATTERN WHAT [REQUESTS]
at_start () {
  afresh
  lie "$1"
  run qimport start --retry-time "${budget:-0}" "$url" "$disk"
  exits "$2" "$4, at the start: $2"
  says "$3" "  and it says so"
  is "$(asked)" "${5:-1}" "  after ${5:-1} request(s)"
  nothing "  nothing was made"
  afresh
}
# at_resume LIES STATUS PATTERN WHAT [REQUESTS]: the import of `begin' stays as it is
at_resume () {
  lie "$1"
  run qimport resume --retry-time "${budget:-0}" "$disk"
  exits "$2" "$4, at resume: $2"
  says "$3" "  and it says so"
  is "$(asked)" "${5:-1}" "  after ${5:-1} request(s)"
  untouched "  journal and part file are as they were"
}
# in_the_middle LIES STATUS PATTERN WHAT: LIES have an @, honest before it
in_the_middle () {
  afresh
  lie "$1"
  run qimport start --retry-time "${budget:-0}" "$url" "$disk"
  exits "$2" "$4, in the middle: $2"
  says "$3" "  and it says so"
  check "  after few requests" [ "$(asked)" -le ${many:-30} ]
  stopped "$2" "  there is no target; the journal says why"
  finishes "  an honest server ends it, bytes right"
}
# broken_ranges LIES STATUS PATTERN WHAT: the same, but what is broken are ranges only: at the start it is read forward
broken_ranges () {
  read_forward "$1" "$4"
  read_forward= always "$@"
}
forward_option=--stream
read_forward () {
  for option in "" $forward_option; do
    afresh
    lie "$1"
    run qimport start $option "$url" "$disk"
    exits 0 "$2, at the start${option:+ with --stream}: it is read forward"
    assert_identical "$disk" "$expected" "  every byte is right"
    if [ -n "$option" ]; then
      is "$(asked '.range != null')" 0 "  no range was asked for"
    else
      says 'read from its start, as with --stream' "  and it says so"
      is "$(asked)" 6 "  after five requests"
    fi
  done
}
# always LIES STATUS PATTERN WHAT [REQUESTS]: for ever, not only sometimes
always () {
  [ -n "${read_forward-x}" ] && at_start "$1" "$2" "$3" "$4" "${5:-6}"
  begin
  at_resume "$1" "$2" "$3" "$4" "${5:-5}"
  finishes "  an honest server ends it, bytes right"
  in_the_middle "$(echo "$1" | sed 's/+/@7-+/g')@7-" "$2" "$3" "$4"
  afresh
}
# survives LIES WHAT: the import ends all the same, with every byte right
survives () {
  for when in ${whens:-start resume}; do
    if [ $when = start ]; then
      afresh
      lie "$1"
      run qimport start --retry-time 20 "$url" "$disk"
    else
      begin
      lie "$1"
      run qimport resume --retry-time 20 "$disk"
    fi
    if is_right; then
      ok "$2, at $when: every byte is right"
    else
      not_ok "$2, at $when" "exit status $rc" "$(cat "$scratch/err" "$scratch/cmp")"
    fi
    afresh
  done
}
