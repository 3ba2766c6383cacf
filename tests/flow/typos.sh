#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a mistyped URL or proxy looks like ends a start soon, and the line says what to check; what runs
# unattended waits, since a name that is not known yet may be a network that is not there yet.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 6
disk=$scratch/disk
liar
closed=$(python3 -c 'import socket; s = socket.socket (); s.bind (("127.0.0.1", 0)); print (s.getsockname ()[1])')
python3 -c 'import http.server
s = http.server.HTTPServer (("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
print (s.server_port, flush=True)
s.serve_forever ()' >"$scratch/plain" 2>"$scratch/plain.err" &
background
until [ -s "$scratch/plain" ]; do sleep 0.05; done

# The patient ones, side by side with all that follows.
began=$(now_ms)
timed () { # NAME ARGUMENT...
  n=$1
  shift
  (QIMPORT_JOURNAL=$scratch/$n.db "$QIMPORT" "$@" 2>"$scratch/$n.err" </dev/null
    echo "$? $(($(now_ms) - began))" >"$scratch/$n.end") &
}
timed start start --progress none "http://127.0.0.1:$closed/image" "$scratch/start"
timed info info "http://127.0.0.1:$closed/image"
QIMPORT_JOURNAL=$scratch/ensure.db "$QIMPORT" ensure --progress none "http://127.0.0.1:$closed/image" \
  "$scratch/ensure" 2>"$scratch/ensure.err" &
ensure=$!
background

mistyped () { # WHAT PATTERN ARGUMENT...
  what=$1 pattern=$2
  shift 2
  run qimport start --progress none --retry-time 1 "$@" "$disk"
  if [ "$rc" = 3 ]; then ok "$what: 3"; else not_ok "$what: 3" "exit status $rc" "$(cat "$scratch/err")"; fi
  says "$pattern" "  and it says what to check"
  one_message "  in one line"
  check "  that tells nobody to run it again" sh -c '! grep -q "again\|resume" "$1"' - "$scratch/err"
  nothing "  nothing was made"
}
mistyped "a name that does not exist" "check the host's name in the URL" http://no-such-name.invalid/image
mistyped "a port where nobody listens" "check host and port" "http://127.0.0.1:$closed/image"
mistyped "a proxy that does not exist" "check the proxy's name" --proxy http://no-such-name.invalid "$url"
mistyped "a proxy that is not there" "check --proxy" --proxy "http://127.0.0.1:$closed" "$url"
http_proxy=gopher://127.0.0.1
export http_proxy
run qimport start "http://no-such-name.invalid/" "$disk"
is "$rc" 2 "a proxy of no kind in the environment: 2, at once"
says "http_proxy or its like in the environment: gopher://127.0.0.1: no kind of proxy" "  and it says which"
unset http_proxy
run qimport start --proxy "gopher://me:pAsSsEcReT@127.0.0.1" "$url" "$disk"
is "$rc" 2 "--proxy of no kind: 2, at once"
says "gopher://127.0.0.1: no kind of proxy" "  and it says which"

# never PATTERN WHAT PORT: at the first attempt, whatever --retry-time allows
never () {
  run qimport start --progress none --cacert "$scratch/tls.pem" "https://localhost:$3/image" "$disk"
  exits 4 "N18: $2: 4, at once"
  says "$1" "  and it says what to check"
  one_message "  in one line"
  nothing "  nothing was made"
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tls.key" -out "$scratch/tls.pem" -days 2 \
  -subj /CN=localhost 2>/dev/null
never "it may want http:// instead" "https where there is no TLS" "$(cat "$scratch/plain")"
tls_server () { # OPTION...: of openssl s_server
  serve_free_port
  openssl s_server -quiet -accept "127.0.0.1:$serve_port" -cert "$scratch/tls.pem" -key "$scratch/tls.key" -www \
    "$@" >"$scratch/s_server.log" 2>&1 </dev/null &
  background
  until grep -qi ":$(printf %04X "$serve_port") 0*:0000 0A" /proc/net/tcp; do sleep 0.05; done
}
tls_server -tls1_1 -cipher DEFAULT:@SECLEVEL=0
never "no version or cipher of TLS that is safe" "a server with old versions of TLS only" "$serve_port"
tls_server -tls1_2 -cipher NULL-SHA256:@SECLEVEL=0
never "no version or cipher of TLS that is safe" "a server without a cipher in common" "$serve_port"
run qimport ensure --progress none --retry-time 1 "https://localhost:$serve_port/image" "$disk"
is "$rc" 3 "N18: ensure waits on: 3 after --retry-time"
run qimport start -q --mirror "$url" "https://localhost:$serve_port/image" "$disk"
is "$rc" 0 "a mirror makes up for that too"
afresh
run qimport info --retry-time 0 http://no-such-name.invalid/image
is "$rc" 3 "info of a name that does not exist: 3"
says "check the host's name" "  and it says what to check"
run qimport start -q --retry-time 5 --mirror "$url" "http://127.0.0.1:$closed/image" "$disk"
is "$rc" 0 "a mirror that answers makes up for it"
afresh

# once somebody answered it is the network's fault
begin
run qimport resume --progress none --retry-time 1 --url "http://127.0.0.1:$closed/image" "$disk"
is "$rc" 3 "an import that was begun: 3"
says "go on with: qimport resume" "  goes on later"

while [ ! -s "$scratch/start.end" ] || [ ! -s "$scratch/info.end" ]; do sleep 0.1; done
for n in start info; do
  read -r status took <"$scratch/$n.end"
  is "$status" 3 "$n, left alone, gives up: 3"
  check "  after 15 seconds ($took ms), not 300" [ "$took" -ge 14000 -a "$took" -lt 25000 ]
done
check "ensure waits on" kill $ensure
no_secrets
done_testing
