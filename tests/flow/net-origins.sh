#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# J8: the credentials of the options are the image's origin's, for whatever is fetched of it, and
# no other origin's, however its URL comes in: two servers, each option, each way.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

site=$scratch/site disk=$scratch/disk
mkdir "$site"
cd "$scratch" || exit 99
for who in server client; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $who.key -out $who.pem -days 2 -subj "/CN=$who" \
    -addext "subjectAltName=DNS:localhost" 2>/dev/null || bail "openssl"
done

# ---- two servers, which are one nginx

serve_free_port
other_port=$serve_port
serve_config () {
  cat <<END
daemon off;
master_process off;
worker_processes 1;
pid $1/pid;
error_log $1/error.log;
events { worker_connections 256; }
http {
  log_format who '\$server_port \$uri \$http_authorization|\$http_x_api_key|\$http_cookie|\$ssl_client_s_dn';
  access_log $1/access.log who;
  client_body_temp_path $1/tmp;
  proxy_temp_path $1/tmp;
  fastcgi_temp_path $1/tmp;
  uwsgi_temp_path $1/tmp;
  scgi_temp_path $1/tmp;
  default_type application/octet-stream;
  ssl_certificate $scratch/server.pem;
  ssl_certificate_key $scratch/server.key;
  ssl_verify_client optional_no_ca;
  root $2;
  server {
    listen 127.0.0.1:$4 ssl;
    location /moved/ { rewrite ^/moved/(.*)\$ https://localhost:$other_port/\$1 redirect; }
  }
  server { listen 127.0.0.1:$other_port ssl; }
}
END
}
serve_start "$scratch/nginx" "$site" || bail "nginx does not start"
home=https://localhost:$serve_port other=https://localhost:$other_port

# ---- what they serve

head -c 3M /dev/urandom >"$scratch/raw"
qemu-img convert -f raw -O qcow2 "$scratch/raw" "$site/plain.qcow2"
cp "$site/plain.qcow2" "$site/base.qcow2"
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$site/overlay.qcow2" || bail qemu-img
(cd "$site" && sha256sum plain.qcow2 >SUMS)
GNUPGHOME=$scratch/gpg
mkdir -m 700 "$GNUPGHOME"
export GNUPGHOME
trap 'gpgconf --kill all; finish' EXIT
gpg --batch --quiet --passphrase '' --quick-gen-key publisher@example.org ed25519 sign 2>/dev/null &&
  gpg --batch --export >"$scratch/ring" && gpg --batch --quiet --output "$site/SUMS.sig" --detach-sign "$site/SUMS" ||
  bail gpg

# ---- the options

umask 077
printf 'X-Api-Key: kEySeCrEt\nCookie: cOoKiEsEcReT\n' >headers
printf 'bEaReRsEcReT\n' >bearer
printf 'uSeR:pAsSsEcReT\n' >user

# sent WHO: of the requests to that port, how many had something of ours with them
sent () { grep -c "^$1 [^ ]* .*[^-|]" "$scratch/nginx/access.log"; }
asked () { grep -c "^$1 " "$scratch/nginx/access.log"; }
# way WHAT ARGUMENT...: an import at which the other server is asked, and told nothing
way () {
  what=$1
  shift
  : >"$scratch/nginx/access.log"
  # shellcheck disable=SC2086
  run qimport start -q --cacert server.pem $option "$@" "$disk"
  exits 0 "$name, $what: 0"
  check "  the other server was asked" [ "$(asked "$other_port")" -gt 0 ]
  is "$(sent "$other_port")" 0 "  and got nothing"
  [ "$at_home" = none ] || is "$(sent "$serve_port")" "$(asked "$serve_port")" "  every request at home did"
  qimport forget "$disk"
  rm -f "$disk"
}

for option in "--header-file headers" "--bearer-file bearer" "--user-file user" \
  "--aws-sigv4 aws:amz:eu-1:s3 --user-file user" "--cert client.pem --key client.key"; do
  name=${option%% *} at_home=all
  way "--checksums" --checksums "$other/SUMS" "$home/plain.qcow2"
  way "--checksums that is redirected" --checksums "$home/moved/SUMS" "$home/plain.qcow2"
  way "--signature" --checksums "$home/SUMS" --signature "$other/SUMS.sig" --signed-by ring "$home/plain.qcow2"
  way "--backing" --backing "$other/base.qcow2" "$home/overlay.qcow2"
  way "--mirror" --mirror "$other/plain.qcow2" "$home/plain.qcow2"
  way "a redirect" "$home/moved/plain.qcow2"
  at_home=none
  way "a file, which has no origin" --checksums "$other/SUMS" "$site/plain.qcow2"
done

# What is fetched of the image at home gets them, and a secret that comes by a pipe is read once.
option="--bearer-file /dev/stdin" name="--bearer-file from a pipe" at_home=all
: >"$scratch/nginx/access.log"
run sh -c 'echo bEaReRsEcReT | "$QIMPORT" start -q --cacert server.pem --bearer-file /dev/stdin --checksums "$1/SUMS" "$2/plain.qcow2" "$3"' \
  sh "$other" "$home" "$disk"
exits 0 "a token that comes by a pipe, --checksums elsewhere: 0"
is "$(sent "$serve_port")" "$(asked "$serve_port")" "  every request at home had it"
done_testing
