#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# J8: secrets are sent to the origin they were given for, and appear nowhere else: not at another
# host or port, not in the journal's bytes, in no output and not among the process's arguments.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"
needs jq qemu-img python3 openssl

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
secrets='kEySeCrEt|cOoKiEsEcReT|bEaReRsEcReT|pAsSsEcReT|nEtRcSeCrEt|uRlSeCrEt|sIgSeCrEt|pRoXySeCrEt|rEdIrSeCrEt'
echo "$secrets" | tr '|' '\n' >"$scratch/words"

# Everything that an import leaves behind or shows, of now.
leaves () {
  cat "$QIMPORT_JOURNAL" "$QIMPORT_JOURNAL-wal" "$QIMPORT_JOURNAL-shm" "$scratch/out" "$scratch/err" \
    "$scratch/cmdline" 2>/dev/null
  qimport status; qimport status --json; qimport log "$disk"; qimport log "$disk" --json
  qimport receipt "$disk"; qimport status --prometheus
}
clean () {
  leaves >"$scratch/leaves" 2>&1
  if LC_ALL=C grep -aqF -f "$scratch/words" "$scratch/leaves"; then
    not_ok "$1" "$(LC_ALL=C grep -aoF -f "$scratch/words" "$scratch/leaves" | sort | uniq -c)"
  else
    ok "$1"
  fi
}
# secret_start WHAT ARGUMENT...: watched while it waits, then left to end
secret_start () {
  what=$1
  shift
  afresh
  lie "${lies:+$lies+}delay,0.7@1"
  "$QIMPORT" start -v "$@" "$disk" >"$scratch/out" 2>"$scratch/err" &
  pid=$!
  background
  sleep 0.4
  cat "/proc/$pid/cmdline" >"$scratch/cmdline" 2>/dev/null # a refusal may have ended it
  wait $pid
  rc=$?
  exits "${want:-0}" "$what: ${want:-0}"
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
secret_start "--aws-sigv4" --aws-sigv4 aws:amz:eu-1:s3 --user-file "$scratch/user" "$at/image"
form='^AWS4-HMAC-SHA256 Credential=uSeR/[0-9]{8}/eu-1/s3/aws4_request, ?SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, ?Signature=[0-9a-f]{64}$'
is "$(asked ".headers.authorization // \"\" | test (\"$form\") | not")" 0 \
  "  every request has a signature of the right form"
is "$(asked '.headers["x-amz-content-sha256"] == null')" 0 "  and x-amz-content-sha256"

# ---- refused, with secrets at hand

for status in 403 404 500 302; do
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

python3 - >"$scratch/proxy" <<'END' &
import base64, http.server, urllib.request, sys
WANT = "Basic " + base64.b64encode(b"me:pRoXySeCrEt").decode()
class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self):
        if self.headers.get("Proxy-Authorization") != WANT:
            self.send_response(407); self.send_header("Content-Length", "0"); self.end_headers(); return
        h = {k: v for k, v in self.headers.items() if k.lower() not in ("proxy-authorization", "connection")}
        r = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(self.path, headers=h))
        body = r.read()
        self.send_response(r.status)
        for k, v in r.headers.items():
            if k.lower() not in ("connection", "server", "date"): self.send_header(k, v)
        self.send_header("Date", r.headers["Date"])
        self.end_headers(); self.wfile.write(body)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(s.server_address[1], flush=True)
s.serve_forever()
END
background
sleep 1
proxy=$(cat "$scratch/proxy")
lies='' secret_start "--proxy with a password" --proxy "http://me:pRoXySeCrEt@127.0.0.1:$proxy" "$at/image"
assert_identical "$disk" "$expected" "  every byte is right"
lies='' want=4 secret_start "N14: a proxy that refuses (407)" --proxy "http://me:wrong@127.0.0.1:$proxy" "$at/image"
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
is "$(stat -c %a "$QIMPORT_JOURNAL")" 600 "A9: nobody else may read the journal"
done_testing
