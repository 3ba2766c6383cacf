#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Servers and proxies that want a password, by Digest too: it is given as they ask for it, comes
# out of a file, is remembered as that file's name only, and where the options want Digest it
# never goes out as it stands.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

net_image 3
disk=$scratch/disk
cd "$scratch" || exit 99
umask 077
printf 'me:pAsSsEcReT\n' >user
printf 'me:wRoNgSeCrEt\n' >wrong
printf 'machine 127.0.0.1 login me password pAsSsEcReT\n' >netrc
liar

# ---- a server that knows no Digest

lie auth,me:pAsSsEcReT
run qimport start --user-file user "$url" "$disk"
exits 0 "a password is given as it stands to a server that wants it so"
afresh
lie auth,me:pAsSsEcReT
run qimport start --digest-auth --user-file user "$url" "$disk"
exits 4 "N16: --digest-auth, and a server without Digest: 4"
says "knows no Digest" "  and it says so"
is "$(asked '.headers.authorization != null')" 0 "  it saw no password"
nothing "  nothing was made"
lie

# ---- lighttpd, by Digest

printf 'me:here:%s\n' "$(printf me:here:pAsSsEcReT | md5sum | cut -c 1-32)" >htdigest
serve_free_port
digest=http://127.0.0.1:$serve_port/image.qcow2
cat >lighttpd.conf <<END
server.document-root = "$scratch"
server.bind = "127.0.0.1"
server.port = $serve_port
server.errorlog = "$scratch/lighttpd.log"
server.modules = ("mod_auth", "mod_authn_file", "mod_accesslog")
mimetype.assign = ("" => "application/octet-stream")
accesslog.filename = "$scratch/access.log"
accesslog.format = "%s %{Authorization}i"
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "$scratch/htdigest"
auth.require = ("/" => ("method" => "digest", "realm" => "here", "require" => "valid-user"))
END
PATH=$PATH:/usr/sbin lighttpd -D -f lighttpd.conf 2>lighttpd.err &
background
for _ in $(seq 200); do
  ! curl_less=$(python3 -c "import socket; socket.create_connection(('127.0.0.1', $serve_port), 1)" 2>&1) || break
  sleep 0.05
done
[ -z "$curl_less" ] || bail "lighttpd does not start: $(cat lighttpd.log lighttpd.err)"
run qimport start --connections 1 "$digest" "$disk"
exits 4 "Digest, and no password: 4"
nothing "  nothing was made"
run qimport start --user-file wrong "$digest" "$disk"
exits 4 "Digest, and another password: 4"
nothing "  nothing was made"
run qimport start --limit-rate 1M --max-time 2 --commit-interval 0.1 --user-file user "$digest" "$disk"
exits 3 "N16: a server that wants Digest gets it"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "  and does so at resume, unasked"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
: >access.log
run qimport start -q --digest-auth --netrc-file netrc "$digest" "$disk"
exits 0 "N16: --digest-auth, and the password of a netrc"
assert_identical "$disk" "$expected" "  every byte is right"
afresh
run qimport start -q "http://me:pAsSsEcReT@${digest#http://}" "$disk"
exits 0 "N16: Digest, and the password of the URL"
afresh

# ---- proxies

proxy_start () { # OPTION...
  : >proxy
  : >proxy.log
  python3 "$top_srcdir/tests/tools/proxy.py" --auth me:pAsSsEcReT --log "$scratch/proxy.log" "$@" >proxy 2>proxy.err &
  background
  until [ -s proxy ]; do sleep 0.05; done
  proxy=127.0.0.1:$(cat proxy)
}
proxied () { jq -s "[.[] | select($1)] | length" proxy.log; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost 2>/dev/null
plain=$url
liar --tls tls.pem tls.key
secure=https://localhost:$port/image
for digest in "" --digest; do
  proxy_start $digest
  for kind in "$plain" "$secure"; do
    what="${digest:+Digest, }${kind%%:*}"
    run qimport start --cacert tls.pem --proxy "http://$proxy" "$kind" "$disk"
    exits 4 "N14: $what, a proxy that wants a password, and none: 4"
    says "proxy http://$proxy wants user and password.*--proxy-user-file" "  and it says how to give it"
    nothing "  nothing was made"
    run qimport start --cacert tls.pem --proxy "http://$proxy" --proxy-user-file wrong "$kind" "$disk"
    exits 4 "N14: $what, a proxy that wants another password: 4"
    says "proxy http://$proxy does not take this user and password" "  and it says so"
    nothing "  nothing was made"
    run qimport start --cacert tls.pem --proxy "$proxy" --proxy-user-file user "$kind" "$disk"
    exits 0 "N16: $what, the password of a proxy, in a file"
    assert_identical "$disk" "$expected" "  every byte is right"
    afresh
    run qimport start --cacert tls.pem --proxy "http://me:pAsSsEcReT@$proxy" "$kind" "$disk"
    exits 0 "N16: $what, the password of a proxy, in its URL"
    afresh
    : >proxy.log
    run qimport start --cacert tls.pem --proxy "$proxy" --proxy-digest --proxy-user-file user "$kind" "$disk"
    exits "$([ -n "$digest" ] && echo 0 || echo 4)" "N16: $what, --proxy-digest"
    is "$(proxied '.headers["proxy-authorization"] // "" | startswith ("Basic")')" 0 \
      "  the proxy never saw the password"
    afresh
  done
done
is "$(asked '.headers | has ("proxy-authorization")')" 0 "no server saw what was the proxy's"
run qimport start --limit-rate 1M --max-time 2 --commit-interval 0.1 --proxy "$proxy" --proxy-user-file user "$plain" "$disk"
exits 3 "an import through it is interrupted"
run qimport resume -q --limit-rate 0 "$disk"
exits 0 "the proxy and the file of its password are remembered"
no_secrets
done_testing
