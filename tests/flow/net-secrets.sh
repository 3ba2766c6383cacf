#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# J8: secrets are sent to the origin they were given for, and appear nowhere else: not at another
# host or port, not in the journal's bytes, in no output and not among the process's arguments.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 3
disk=$scratch/disk
liar
other=$port other_requests=$requests other_control=$control
liar
umask 077
printf 'X-Api-Key: kEySeCrEt\nCookie: cOoKiEsEcReT\n' >"$scratch/headers"
printf 'bEaReRsEcReT\n' >"$scratch/bearer"
printf 'uSeR:pAsSsEcReT\n' >"$scratch/user"
printf 'machine 127.0.0.1 login nEtUsEr password nEtRcSeCrEt\n' >"$scratch/netrc"

# ---- the search finds what is there

found () {
  if [ -s "$leaks" ]; then ok "the search finds a secret $1"; else not_ok "the search finds a secret $1"; fi
  : >"$leaks"
}
run qimport start -q "$image" "$disk"
afresh
sqlite3 "$QIMPORT_JOURNAL" "CREATE TABLE planted (w); INSERT INTO planted VALUES ('pLaNtEdSeCrEt')" >/dev/null
run true
found "in the journal"
sqlite3 "$QIMPORT_JOURNAL" "PRAGMA secure_delete = 1; DROP TABLE planted; VACUUM" >/dev/null
run true
is "$(cat "$leaks")" "" "and none any more where it is gone"
sqlite3 "$QIMPORT_JOURNAL" "PRAGMA journal_mode = wal; BEGIN; CREATE TABLE planted (w);
  INSERT INTO planted VALUES ('pLaNtEdSeCrEt'); COMMIT; SELECT 1;
" ".shell grep -qa pLaNtEdSeCrEt '$QIMPORT_JOURNAL-wal' && cp '$QIMPORT_JOURNAL-wal' '$scratch/planted-wal'" >/dev/null
look_into "the log" "$scratch/planted-wal"
found "in the journal's log"
rm -f "$QIMPORT_JOURNAL" "$QIMPORT_JOURNAL"-*
run echo pLaNtEdSeCrEt
found "in the output"
run sh -c 'echo pLaNtEdSeCrEt >&2'
found "in a message"
# until it was seen, however busy the machine is
run python3 -c 'import os, socket, sys, time
s = socket.socket ()
for _ in range (3000):
    if os.path.exists (sys.argv[1]) and os.path.getsize (sys.argv[1]):
        break
    time.sleep (0.01)' "$scratch/arguments" --proxy=pLaNtEdSeCrEt
found "among the arguments"

# Whatever an import leaves behind or shows, of now.
clean () {
  {
    qimport status "$disk"
    qimport status "$disk" --json
    qimport log "$disk"
    qimport receipt "$disk"
  } >"$scratch/shown" 2>&1
  look_into "$1" "$scratch/shown"
  is "$(cat "$leaks")" "" "$1"
  : >"$leaks"
}
# secret_start WHAT ARGUMENT...
secret_start () {
  what=$1
  shift
  afresh
  lie "${lies:+$lies+}delay,0.1@1"
  run qimport start -v "$@" "$disk"
  case $rc in
    ${want:-0}) ok "$what: ${want:-0}" ;;
    *) not_ok "$what: ${want:-0}" "exit status $rc" "$(cat "$scratch/err")" ;;
  esac
  clean "  no secret in journal, output or arguments"
}
at=http://127.0.0.1:$port

lies=need,x-api-key,kEySeCrEt secret_start "--header-file" --header-file "$scratch/headers" "$at/image"
is "$(asked '.headers.cookie != "cOoKiEsEcReT"')" 0 "  sent with every request"
lies='need,authorization,Bearer bEaReRsEcReT' secret_start "--bearer-file" --bearer-file "$scratch/bearer" "$at/image"
lies=auth,uSeR:pAsSsEcReT secret_start "--user-file" --user-file "$scratch/user" "$at/image"
lies=auth,nEtUsEr:nEtRcSeCrEt secret_start "--netrc-file" --netrc-file "$scratch/netrc" "$at/image"
cp "$scratch/netrc" "$HOME/.netrc"
lies=auth,nEtUsEr:nEtRcSeCrEt secret_start "--netrc" --netrc "$at/image"
lies=refuse-header,authorization secret_start "A7: ~/.netrc is not read unasked" "$at/image"
lies=auth,uRlUsEr:uRlSeCrEt secret_start "userinfo in the URL" "http://uRlUsEr:uRlSeCrEt@127.0.0.1:$port/image"
secret_start "a signed query" "$at/image?X-Amz-Signature=sIgSeCrEt&x=1"
is "$(asked '.path | contains ("sIgSeCrEt") | not')" 0 "  sent with every request"
is "$(import_of "$disk" .url)" "$at/image" "  status shows the URL without it"

# ---- signatures, which the server makes itself and compares

printf 'AKEYID:aWsSeCrEt/+key\n' >"$scratch/aws"
printf 'x-amz-security-token: tOkEnSeCrEt\n' >"$scratch/token"
sign () { # WHAT PATH [OPTION...]
  what=$1 path=$2
  shift 2
  lies=${more:+$more+}sigv4,AKEYID:aWsSeCrEt/%2Bkey:eu-1:s3 secret_start "--aws-sigv4, $what" \
    --aws-sigv4 aws:amz:eu-1:s3 --user-file "$scratch/aws" "$@" "$at$path"
  is "$(jq -rs 'map (.sigv4 // empty) | unique | join ("; ")' "$requests")" "" "  every request is signed as AWS wants it"
  is "$(asked '.headers["x-amz-content-sha256"] == null')" 0 "  with x-amz-content-sha256"
}
sign "a path" /image
sign "a path that is escaped" '/bucket/a%20b/%C3%BC%2Bx/image'
sign "a query" '/image?versionId=sIgSeCrEt.1'
sign "a query of several parts" '/image?versionId=sIgSeCrEt&a=1&partNumber=2'
sign "a query without a value" '/image?torrent'
sign "a session token" /image --header-file "$scratch/token"
is "$(asked '.headers["x-amz-security-token"] != "tOkEnSeCrEt"')" 0 "  which is sent with every request"
more=etag,none sign "no If-Range" /image
more=redirect,$at/moved@1 sign "a redirect at home" /image
more=
lies=sigv4,AKEYID:aNoThErSeCrEt:eu-1:s3 want=4 secret_start "--aws-sigv4, another key" \
  --aws-sigv4 aws:amz:eu-1:s3 --user-file "$scratch/aws" "$at/image"
nothing "  nothing was made"
want=0
lies="redirect,http://localhost:$other/image@1" secret_start "--aws-sigv4, redirected" \
  --aws-sigv4 aws:amz:eu-1:s3 --user-file "$scratch/aws" "$at/image"
is "$(jq -s '[.[] | select (.headers | has ("authorization") or has ("x-amz-date"))] | length' "$other_requests")" 0 \
  "  nothing is signed there"

# ---- refused, with secrets at hand

for status in 401 403 404 407 410 500 302; do
  want=4
  [ $status != 500 ] || want=3
  lies=status,$status want=$want secret_start "$status" --retry-time 0 --header-file "$scratch/headers" \
    "http://uRlUsEr:uRlSeCrEt@127.0.0.1:$port/image?sig=sIgSeCrEt"
done
lies="redirect,ftp://u:rEdIrSeCrEt%40127.0.0.1/x?y=sIgSeCrEt" want=4 secret_start \
  "a redirect that is refused" "$at/image?sig=sIgSeCrEt"
want=0

# ---- A1: another host, port or scheme

for to in "http://127.0.0.1:$other/image" "http://localhost:$other/image" "http://localhost:$port/moved"; do
  : >"$other_requests"
  for how in "--header-file $scratch/headers" "--bearer-file $scratch/bearer" "--user-file $scratch/user" \
    "--netrc-file $scratch/netrc"; do
    # shellcheck disable=SC2086
    lies="redirect,$to@1" secret_start "redirected to $to with ${how%% *}" $how "$at/image"
    case $how in
      --netrc*) continue ;; # a netrc names its hosts itself
    esac
  done
  cat "$other_requests" "$requests" >"$scratch/all"
  is "$(jq -s '[.[] | select(.headers.host != "127.0.0.1:'"$port"'" and
      (.headers | has("authorization") or has("x-api-key") or has("cookie")))] | length' "$scratch/all")" 0 \
    "  nothing of them was sent there"
done
: >"$other_requests"
echo refuse-header,x-api-key >"$other_control"
lies='' secret_start "a mirror on another port" --header-file "$scratch/headers" --bearer-file "$scratch/bearer" \
  --mirror "http://127.0.0.1:$other/image" "$at/image"
is "$(jq -s '[.[] | select(.headers | has("authorization") or has("x-api-key") or has("cookie"))] | length' \
  "$other_requests")" 0 "  it gets no credentials"
: >"$other_control"

# ---- proxies

python3 "$top_srcdir/tests/tools/proxy.py" --auth me:pRoXySeCrEt >"$scratch/proxy" 2>"$scratch/proxy.err" &
background
until [ -s "$scratch/proxy" ]; do sleep 0.05; done
proxy=$(cat "$scratch/proxy")
lies='' secret_start "--proxy with a password" --proxy "http://me:pRoXySeCrEt@127.0.0.1:$proxy" "$at/image"
assert_identical "$disk" "$expected" "  every byte is right"
lies='' secret_start "--proxy without a scheme" --proxy "me:pRoXySeCrEt@127.0.0.1:$proxy" "$at/image"
lies='' want=3 secret_start "--proxy of another kind" --retry-time 0 --proxy "socks5h://me:pRoXySeCrEt@127.0.0.1:$proxy" "$at/image"
begin --proxy "me:pRoXySeCrEt@127.0.0.1:$proxy"
clean "an import that a proxy's password began remembers nothing of it"
afresh
want=2 secret_start "an image of another kind" "ftp://me:fTpSeCrEt@127.0.0.1/image?x=sIgSeCrEt"
for option in --mirror --checksums --backing; do
  lies='' want='[0245]' secret_start "$option with a secret" $option "http://u:uRlSeCrEt@127.0.0.1:$port/sums?sig=sIgSeCrEt" \
    "$at/image"
done
lies='' want=4 secret_start "N14: a proxy that refuses (407)" --proxy "http://me:wRoNgSeCrEt@127.0.0.1:$proxy" "$at/image"
want=0

# ---- A8, A6

printf 'X-A: b\r\nInjected\001: c\n' >"$scratch/bad"
run qimport start --header-file "$scratch/bad" "$at/image" "$disk"
exits 2 "A8: a control character in a header: 2"
lies="redirect,http://127.0.0.1:$other/x%0d%0aX-Evil: 1" want=4
lie "redirect,/a%0dX-Evil: 1@1"
run qimport start --retry-time 0 "$at/image" "$disk"
is "$(asked '.headers | has("x-evil")')" 0 "A8: a Location cannot make headers"
want=0
afresh
lie
begin_lies=
url="http://127.0.0.1:$port/image?sig=sIgSeCrEt"
begin
run qimport resume "$disk"
exits 4 "A6: a URL whose secret was dropped needs it again"
says 'resume --url' "  the message says so"
untouched "  journal and part file are as they were"
run qimport resume --url "$url" "$disk"
exits 0 "  --url gives it"
clean "  and it is stored nowhere"
# ---- A11: a token renewed on disk

printf 'user:SeCrEtOld\n' >"$scratch/user"
chmod 600 "$scratch/user"
renewed () { # WHAT BEARER_OR_USER_OPTION...
  afresh
  lie 'slow,800000+auth,user:SeCrEtOld@1-6+auth,user:SeCrEtNew@7-'
  printf 'user:SeCrEtOld\n' >"$scratch/user"
  "$QIMPORT" start -q --connections 2 --user-file "$scratch/user" "$url" "$disk" 2>"$scratch/err" &
  pid=$!
  background
  until [ "$(asked)" -ge 3 ]; do sleep 0.05; done
  printf '%s\n' "$1" >"$scratch/user"
  wait $pid
  rc=$?
}
net_image 6
liar
renewed user:SeCrEtNew
exits 0 "A11: a password renewed on disk is read again at a 401"
assert_identical "$disk" "$expected" "  every byte is right"
renewed user:SeCrEtOther
exits 4 "A11: where it is still not right it is final: 4"
check "  soon ($(asked '.status == 401') such answers)" [ "$(asked '.status == 401')" -le 4 ]
printf 'user:SeCrEtNew\n' >"$scratch/user"
lie auth,user:SeCrEtNew
run qimport resume "$disk"
exits 0 "  the right one ends it"
assert_identical "$disk" "$expected" "  every byte is right"

# ---- A12: cookies

afresh
lie 'redirect,http://127.0.0.1:%PORT%/next@1+header,Set-Cookie: s=SeCrEtCookie@1+need,cookie,s=SeCrEtCookie@2-'
run qimport start "$url" "$disk"
exits 0 "A12: a cookie that is set on the way is sent back"
assert_identical "$disk" "$expected" "  every byte is right"
there=$url
liar
afresh
lie "redirect,$(echo "$there" | sed 's/127.0.0.1/localhost/')+header,Set-Cookie: s=SeCrEtCookie"
cookie_here=$requests
requests=$scratch/requests.$((liars - 1)) control=$scratch/control.$((liars - 1))
lie
run qimport start "$url" "$disk"
exits 0 "A12: redirected to another site"
is "$(asked '.headers.cookie != null')" 0 "  which gets no cookie of the first"
no_secrets
is "$(stat -c %a "$QIMPORT_JOURNAL")" 600 "A9: nobody else may read the journal"

# ---- A10: what may dump core may be looked into by its user

home=$scratch/nobody
chmod 711 "$scratch"
as_nobody () { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
# look WHAT: 1 if nobody may look into the process of nobody that waits for a pipe
look () {
  mkfifo -m 666 "$home/pipe"
  setpriv --reuid 65534 --regid 65534 --clear-groups "$@" <>"$home/pipe" >"$home/out" 2>"$home/err" &
  looked_at=$!
  background
  until [ "$(readlink "/proc/$looked_at/exe")" != "$(readlink -f "$(command -v setpriv)")" ] &&
    [ "$(awk '/^State/ { print $2 }' "/proc/$looked_at/status")" = S ]; do sleep 0.05; done
  seen=0
  as_nobody cat "/proc/$looked_at/environ" >"$home/environ" 2>/dev/null && seen=1
  kill $looked_at
  wait $looked_at
  rm "$home/pipe"
}
mkdir -m 777 "$home"
if grep -q __asan_init "$QIMPORT"; then
  skip "A10: no core, no trace" "the sanitizer's leak checker has to look in"
elif as_nobody "$QIMPORT" --version >/dev/null 2>&1; then
  look cat
  is $seen 1 "A10: one process of a user may look into another"
  look "$QIMPORT" --journal "$home/journal.db" start - "$home/disk"
  is $seen 0 "A10: not into this one: no core, no trace"
else
  skip "A10: no core, no trace" "nobody else may run $QIMPORT, or we are nobody else"
fi
done_testing
