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
#     finishes SENTENCE    an honest resume ends with 0, and $disk is right
#     afresh               forget the import and its files

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
  echo "${1:-}" >"$control"
  : >"$requests"
}
asked () { jq -s "[.[] | select(${1:-true})] | length" "$requests"; }
first_ask () { jq -rs "[.[] | $1][0]" "$requests"; }

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
  if [ "$rc" = 0 ] && cmp "$disk" "$expected" >"$scratch/cmp" 2>&1; then
    ok "$1"
  else
    not_ok "$1" "exit status $rc" "$(cat "$scratch/err" "$scratch/cmp")"
  fi
}
afresh () {
  qimport forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
}
