#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# TLS and what comes with it: HTTP/2 for what is small and connections of its own for data, client
# certificates, redirects between http and https, and proxies.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk
net_image 12
cd "$scratch" || exit 99

# ---- who is who

# authority NAME; issue AUTHORITY NAME [SUBJECT]
authority () {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}
issue () {
  openssl req -newkey rsa:2048 -nodes -keyout "$2.key" -out "$2.csr" -subj "/CN=${3:-$2}" 2>/dev/null
  echo "subjectAltName=DNS:localhost" >"$2.ext"
  openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 -extfile "$2.ext" \
    -out "$2.pem" 2>/dev/null
}
authority ca
authority other-ca
issue ca server localhost
issue ca client
issue other-ca stranger

tls_options=
serve_config () {
  cat <<END
daemon off;
master_process off;
worker_processes 1;
pid $1/pid;
error_log $1/error.log;
events { worker_connections 256; }
http {
  log_format conn '\$connection \$server_protocol \$status \$body_bytes_sent \$http_range';
  access_log $1/access.log conn;
  client_body_temp_path $1/tmp;
  proxy_temp_path $1/tmp;
  fastcgi_temp_path $1/tmp;
  uwsgi_temp_path $1/tmp;
  scgi_temp_path $1/tmp;
  default_type application/octet-stream;
  sendfile on;
  http2_max_concurrent_streams 64;
  keepalive_requests 100000;
  server {
    $tls_options
    listen 127.0.0.1:$4 ssl http2;
    ssl_certificate $scratch/server.pem;
    ssl_certificate_key $scratch/server.key;
    root $2;
    limit_rate $3;
  }
}
END
}
# nginx [OPTION...]: lines of its configuration
nginx_tls () {
  serve_stop
  tls_options="$*"
  serve_start "$scratch/nginx" "$scratch" "${rate:-0}" || bail "nginx does not start"
  tls=https://localhost:$serve_port
  : >"$serve_log"
}
connections () { awk -v p="$1" '$2 == p { print $1 }' "$serve_log" | sort -u | wc -l; }
requests () { grep -c "$1" "$serve_log"; }
start () { run qimport start --cacert "$scratch/ca.pem" "$@" "$disk"; }

# ---- HTTP/2

# Many L2 tables, too far apart to be read at once: a request for each of them.
qemu-img create -q -f qcow2 -o cluster_size=4K "$scratch/tables.qcow2" 240M
python3 -c '
for i in range (120):
    print ("write -P %d %d 80k" % (i % 255 + 1, i << 21))' |
  qemu-io -f qcow2 -t unsafe "$scratch/tables.qcow2" >/dev/null
qemu-img convert -O raw "$scratch/tables.qcow2" "$scratch/tables.raw"

nginx_tls
start "$tls/tables.qcow2"
exits 0 "HTTP/2: an image of many tables"
assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"
check "  its tables are $(requests HTTP/2.0) requests over HTTP/2" [ "$(requests HTTP/2.0)" -ge 100 ]
is "$(connections HTTP/2.0)" 1 "  which share one connection"
afresh
: >"$serve_log"
start --limit-rate 2M "$tls/tables.qcow2"
exits 0 "HTTP/2 with --limit-rate"
assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"
rate=1500000 nginx_tls
for n in 2 5; do
  afresh
  : >"$serve_log"
  start --connections $n "$tls/image.qcow2"
  exits 0 "HTTP/2: --connections $n"
  assert_identical "$disk" "$expected" "  every byte is right"
  is "$(connections HTTP/1.1)" $n "  the data come over $n connections of their own"
  is "$(connections HTTP/2.0)" 1 "  the metadata over one"
  check "  of the data, HTTP/2 has none" \
    [ "$(awk '$2 == "HTTP/2.0" { n += $4 } END { print n + 0 }' "$serve_log")" -lt 200000 ]
done

# N13: nginx says GOAWAY after so many requests, and allows so many streams at once
nginx_tls 'keepalive_requests 7;'
afresh
start "$tls/tables.qcow2"
exits 0 "N13: GOAWAY after every seventh request"
assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"
check "  there were $(connections HTTP/2.0) connections" [ "$(connections HTTP/2.0)" -gt 10 ]
nginx_tls 'http2_max_concurrent_streams 1;'
afresh
start "$tls/tables.qcow2"
exits 0 "N13: one stream at a time"
assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"

nginx_tls
python3 "$top_srcdir/tests/tools/h2-meddler.py" "$serve_port" --tls server.pem server.key --log "$scratch/spoken" \
  --control "$scratch/orders" >"$scratch/meddler" 2>"$scratch/meddler.err" &
background
for _ in $(seq 100); do
  [ ! -s "$scratch/meddler" ] || break
  sleep 0.05
done
meddled=https://localhost:$(cat "$scratch/meddler")
for order in 'refuse 1' 'refuse 20' 'reset 20' 'goaway 20' 'cut 20' 'reset 1' 'cut 1'; do
  afresh
  echo "$order" >"$scratch/orders"
  : >"$serve_log"
  start --retry-time 20 "$meddled/tables.qcow2"
  exits 0 "N13: $order"
  assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"
  again=$(awk '$5 != "-" { print $5 }' "$serve_log" | sort | uniq -d | wc -l)
  check "  $again ranges were asked for again" [ "$again" -le 64 ]
done
afresh
echo downgrade >"$scratch/orders"
: >"$scratch/spoken"
start --retry-time 20 "$meddled/tables.qcow2"
exits 0 "N13: HTTP/1.1 is what the server wants"
assert_identical "$disk" "$scratch/tables.raw" "  every byte is right"
check "  and what it gets" grep -q http/1.1 "$scratch/spoken"

# ---- client certificates

liar --tls server.pem server.key --client-ca ca.pem
secure=https://localhost:$port/image
nginx_tls 'ssl_verify_client on; ssl_client_certificate '"$scratch"'/ca.pem;'
for where in "$tls/image.qcow2" "$secure"; do
  who=nginx
  [ "$where" != "$secure" ] || who="a server that ends the handshake"
  afresh
  start --cert client.pem --key client.key "$where"
  exits 0 "a client certificate, $who"
  assert_identical "$disk" "$expected" "  every byte is right"
  afresh
  start "$where"
  exits 4 "no client certificate, $who: 4"
  nothing "  nothing was made"
  start --cert stranger.pem --key stranger.key "$where"
  exits 4 "a client certificate of somebody else's, $who: 4"
  nothing "  nothing was made"
done
for bad in '--cert nowhere.pem --key client.key' '--cert client.pem --key nowhere.key' \
  '--cert client.pem --key stranger.key' '--cacert nowhere.pem'; do
  # shellcheck disable=SC2086
  run qimport start --cacert ca.pem $bad "$tls/image.qcow2" "$disk"
  exits 2 "$bad: 2"
  one_message "  in one line"
  nothing "  nothing was made"
done
# a redirect to elsewhere does not get it
plain_liar () {
  liar
  url=http://127.0.0.1:$port/image
}
plain_liar
lie "redirect,$tls/image.qcow2"
: >"$serve_log"
start --cert client.pem --key client.key "$url"
exits 4 "A1: the certificate is not shown where a redirect leads: 4"
check "  to the server that wanted it" grep -q ' 400 ' "$serve_log"
nothing "  nothing was made"

# ---- A2: http and https

afresh
nginx_tls
lie "redirect,$tls/image.qcow2"
start "$url"
exits 0 "from http to https"
assert_identical "$disk" "$expected" "  every byte is right"
is "$(asked)" 1 "  it is resolved once"
afresh
plain=$url plain_requests=$requests plain_control=$control
liar --tls server.pem server.key
secure=https://localhost:$port/image
lie "redirect,$plain"
: >"$plain_requests"
start --bearer-file "$scratch/token" "$secure"
exits 2 "(a file that is not there)"
echo bEaReRsEcReT >"$scratch/token"
start --bearer-file "$scratch/token" "$secure"
exits 4 "A2: from https to http: 4"
says 'from https to http' "  it says so"
is "$(jq -s length "$plain_requests")" 0 "  nothing was asked there"
nothing "  nothing was made"
lie "redirect,$plain@7-"
start --connections 1 "$secure"
exits 4 "A2: from https to http in the middle: 4"
is "$(jq -s length "$plain_requests")" 0 "  nothing was asked there"
check "  there is no target" [ ! -e "$disk" ]
lie
run qimport resume -q "$disk"
exits 0 "  without the redirect it goes on"
assert_identical "$disk" "$expected" "  every byte is right"

afresh
lie
start "$secure"
exits 0 "https without HTTP/2"
is "$(jq -s '.[0].conn == .[1].conn' "$requests")" true "  the connection of the first answer is used again"

# ---- proxies

: >"$scratch/proxy.log"
python3 "$top_srcdir/tests/tools/proxy.py" --auth me:pRoXySeCrEt --log "$scratch/proxy.log" \
  --control "$scratch/proxy.control" >"$scratch/proxy" 2>"$scratch/proxy.err" &
background
for _ in $(seq 100); do
  [ ! -s "$scratch/proxy" ] || break
  sleep 0.05
done
proxy=127.0.0.1:$(cat "$scratch/proxy")
proxied () { jq -s "[.[] | select($1)] | length" "$scratch/proxy.log"; }
afresh
start --proxy "http://me:pRoXySeCrEt@$proxy" "$secure"
exits 0 "https through a proxy"
assert_identical "$disk" "$expected" "  every byte is right"
check "  by tunnels" [ "$(proxied '.method == "CONNECT" and .status == 200')" -ge 2 ]
is "$(proxied '.method != "CONNECT"')" 0 "  and by nothing else"
is "$(asked '.headers | has ("proxy-authorization")')" 0 "  the server does not see its password"
afresh
echo >"$plain_control"
http_proxy=http://me:pRoXySeCrEt@$proxy
export http_proxy
start "$plain"
unset http_proxy
exits 0 "http through the proxy of the environment"
check "  it was asked" [ "$(proxied '.method == "GET" and .status == 200')" -ge 3 ]
for kind in "$secure" "$plain"; do
  what=${kind%%:*}
  afresh
  : >"$scratch/proxy.log"
  lie
  start --proxy "http://me:wrong@$proxy" "$kind"
  exits 4 "N14: $what, a proxy that wants another password: 4"
  is "$(proxied '.status == 407')" 1 "  after one request"
  is "$(asked)" 0 "  of which the server knows nothing"
  nothing "  nothing was made"
  echo 'status 403' >"$scratch/proxy.control"
  start --proxy "http://me:pRoXySeCrEt@$proxy" "$kind"
  exits 4 "N14: $what, a proxy that forbids it: 4"
  nothing "  nothing was made"
  echo 'status 503' >"$scratch/proxy.control"
  start --retry-time 0 --proxy "http://me:pRoXySeCrEt@$proxy" "$kind"
  exits 3 "N14: $what, a proxy that is busy: 3"
  nothing "  nothing was made"
  echo page >"$scratch/proxy.control"
  start --retry-time 0 --proxy "http://me:pRoXySeCrEt@$proxy" "$kind"
  want=5
  [ "$what" = http ] || want=3
  exits $want "N14: $what, a proxy's page instead: $want"
  nothing "  nothing was made"
  : >"$scratch/proxy.control"
done
serve_free_port
start --retry-time 1 --proxy "http://127.0.0.1:$serve_port" "$plain"
exits 3 "N14: no proxy there: 3"
nothing "  nothing was made"
no_secrets
done_testing
