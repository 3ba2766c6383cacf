#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The servers, caches and proxies that images are fetched from in the field: an import from each,
# killed once and interrupted once, ends with every byte right; and from a cold cache that fetches
# all of an image for each range it ends too, and reads the image no more than twice from its
# origin.  What is not installed is skipped by name.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

PATH=$PATH:/usr/sbin
disk=$scratch/disk
mkdir "$scratch/root" "$scratch/tmp"
image=$scratch/root/image.qcow2 expected=$scratch/expected.raw
chmod 755 "$scratch" "$scratch/root"
chmod 777 "$scratch/tmp"
python3 - "$expected" <<'END'
import random, sys
r = random.Random(11)
with open(sys.argv[1], "wb") as f:
    for i in range(24):
        f.seek(2 * i << 20)
        f.write(r.randbytes(1 << 20))
    f.truncate(64 << 20)
END
qemu-img convert -f raw -O qcow2 "$expected" "$image" || bail "qemu-img"
size=$(size_of "$image")
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tls.key" -out "$scratch/tls.pem" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
cd "$scratch" || exit 99

# ---- servers

listens () { grep -qi ":$(printf %04X "$1") 0*:0000 0A" /proc/net/tcp /proc/net/tcp6; }
# up WHAT COMMAND...: it listens on $serve_port, in the background
up () {
  name=$1
  shift
  "$@" >"$scratch/up.log" 2>&1 </dev/null &
  server=$!
  background
  for _ in $(seq 200); do
    ! listens "$serve_port" || return 0
    sleep 0.05
  done
  not_ok "$name starts" "$(tail -n 5 "$scratch/up.log")"
  return 1
}
down () { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }

# nginx NAME LISTEN-OPTIONS BLOCK HTTP-BLOCK
nginx_up () {
  serve_free_port
  mkdir -p "$scratch/$1/cache"
  cat >"$scratch/$1/nginx.conf" <<END
daemon off;
worker_processes 1;
user root;
pid $scratch/$1/pid;
error_log $scratch/$1/error.log;
events { worker_connections 256; }
http {
  log_format sent '\$status \$body_bytes_sent \$http_range';
  access_log $scratch/$1/access.log sent;
  client_body_temp_path $scratch/tmp/body;
  proxy_temp_path $scratch/$1/proxy;
  fastcgi_temp_path $scratch/tmp/fastcgi;
  uwsgi_temp_path $scratch/tmp/uwsgi;
  scgi_temp_path $scratch/tmp/scgi;
  default_type application/octet-stream;
  ${4:-}
  server {
    listen 127.0.0.1:$serve_port $2;
    root $scratch/root;
    $3
  }
}
END
  up "$1" nginx -e "$scratch/$1/error.log" -c "$scratch/$1/nginx.conf"
}

# ---- an import with two interruptions

interrupted () { # WHAT URL [OPTION...]
  what=$1 url=$2
  shift 2
  qimport forget "$disk" 2>/dev/null
  rm -f "$disk" "$disk.qimport-part"
  "$QIMPORT" start -q --limit-rate 2M --commit-interval 0.1 "$@" "$url" "$disk" 2>"$scratch/err" </dev/null &
  pid=$!
  for _ in $(seq 600); do
    [ "$(import_of "$disk" .bytes.guest_committed 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
  done
  kill -9 $pid 2>/dev/null
  wait $pid
  killed=$?
  run qimport resume -q --max-time 1 "$disk"
  stopped=$rc
  run qimport resume -q --limit-rate 0 "$disk"
  if [ $killed = 137 ] && [ $stopped = 3 ] && [ $rc = 0 ] && cmp -s "$disk" "$expected"; then
    ok "$what, killed and interrupted"
  else
    not_ok "$what, killed and interrupted" "killed $killed, then $stopped, then $rc" "$(cat "$scratch/err")"
  fi
}
# there PROGRAM WHAT
there () {
  command -v "$1" >/dev/null && return 0
  skip "$2, killed and interrupted" "$1 is not installed"
  return 1
}

# ---- nginx, seven times

if there nginx nginx; then
  nginx_up plain "" "sendfile on; tcp_nopush on;"
  plain=http://127.0.0.1:$serve_port
  plain_port=$serve_port
  interrupted "nginx" "$plain/image.qcow2"
  nginx_up gzip "" "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;" &&
    interrupted "nginx that compresses" "http://127.0.0.1:$serve_port/image.qcow2" && down
  nginx_up tls "ssl http2" "ssl_certificate $scratch/tls.pem; ssl_certificate_key $scratch/tls.key;" &&
    interrupted "nginx, TLS and HTTP/2" "https://localhost:$serve_port/image.qcow2" --cacert tls.pem && down
  nginx_up whole "" "max_ranges 0; etag off;" &&
    interrupted "nginx without ranges" "http://127.0.0.1:$serve_port/image.qcow2" && down
  nginx_up proxy "" "location / { proxy_pass $plain; proxy_buffering off; }" &&
    interrupted "nginx before nginx" "http://127.0.0.1:$serve_port/image.qcow2" && down
  nginx_up slices "" "location / { slice 1m; proxy_pass $plain; proxy_http_version 1.1; proxy_cache c;
      proxy_cache_key \$uri\$slice_range; proxy_set_header Range \$slice_range; proxy_cache_valid 200 206 1h; }" \
    "proxy_cache_path $scratch/slices/cache keys_zone=c:1m;" &&
    interrupted "nginx that caches in slices" "http://127.0.0.1:$serve_port/image.qcow2" && down
  nginx_up limits "" "limit_conn c 2; limit_rate 4m;" "limit_conn_zone \$binary_remote_addr zone=c:1m;" &&
    interrupted "nginx that allows two connections" "http://127.0.0.1:$serve_port/image.qcow2" && down

  # a cold cache before a slow origin
  nginx_up slow "" "limit_rate 700k;" && slow=http://127.0.0.1:$serve_port
  nginx_up cold "" "location / { proxy_pass $slow; proxy_cache c; proxy_cache_valid 200 1h; }" \
    "proxy_cache_path $scratch/cold/cache keys_zone=c:1m;" && {
    rm -f "$disk"
    run timeout 240 "$QIMPORT" start "http://127.0.0.1:$serve_port/image.qcow2" "$disk"
    is "$rc" 0 "C16: a cold cache that fetches all of it for each range: the import ends"
    assert_identical "$disk" "$expected" "  every byte is right"
    check "  and says how" grep -q 'read from its start, as with --stream' "$scratch/err"
    sleep 1
    sent=$(awk '{ n += $2 } END { print n }' "$scratch/slow/access.log")
    check "  its origin sent $sent bytes, no more than twice the image" [ "$sent" -le $((size * 2 + 100000)) ]
    down
  }
fi

# ---- others

if there apache2 Apache; then
  serve_free_port
  cat >apache.conf <<END
ServerName localhost
ServerRoot $scratch
PidFile $scratch/apache.pid
Listen 127.0.0.1:$serve_port
ErrorLog $scratch/apache.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
User #0
Group #0
DocumentRoot $scratch/root
<Directory $scratch/root>
Require all granted
</Directory>
END
  sed -i 's/^\(User\|Group\) #0$/\1 www-data/' apache.conf
  up Apache apache2 -D FOREGROUND -d "$scratch" -f "$scratch/apache.conf" &&
    interrupted "Apache" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if there lighttpd lighttpd; then
  serve_free_port
  printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %s\nmimetype.assign = ("" => "application/octet-stream")\n' \
    "$scratch/root" "$serve_port" >lighttpd.conf
  up lighttpd lighttpd -D -f lighttpd.conf &&
    interrupted "lighttpd" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if there caddy Caddy; then
  serve_free_port
  up Caddy env XDG_CONFIG_HOME="$scratch" XDG_DATA_HOME="$scratch" caddy file-server --root "$scratch/root" \
    --listen "127.0.0.1:$serve_port" && interrupted "Caddy" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if there h2o h2o; then
  serve_free_port
  cat >h2o.conf <<END
user: root
pid-file: $scratch/h2o.pid
error-log: $scratch/h2o.log
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: $serve_port
    paths:
      "/":
        file.dir: $scratch/root
END
  up h2o h2o -m worker -c h2o.conf && interrupted "h2o" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if there rclone rclone; then
  serve_free_port
  up rclone rclone serve http --addr "127.0.0.1:$serve_port" --config "$scratch/rclone.conf" "$scratch/root" &&
    interrupted "rclone" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if [ -n "${plain:-}" ] && there haproxy haproxy; then
  serve_free_port
  cat >haproxy.conf <<END
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:$serve_port
  default_backend b
backend b
  server s 127.0.0.1:$plain_port
END
  up haproxy haproxy -db -f haproxy.conf &&
    interrupted "haproxy before nginx" "http://127.0.0.1:$serve_port/image.qcow2" && down
fi
if [ -n "${plain:-}" ] && there varnishd Varnish; then
  serve_free_port
  up Varnish varnishd -F -n "$scratch/varnish" -a "127.0.0.1:$serve_port" -b "127.0.0.1:$plain_port" \
    -s malloc,128m -j none && interrupted "Varnish, cold" "http://127.0.0.1:$serve_port/image.qcow2" && {
    interrupted "Varnish, warm" "http://127.0.0.1:$serve_port/image.qcow2"
    down
  }
fi
if [ -n "${plain:-}" ] && there squid Squid; then
  serve_free_port
  mkdir squid && chmod 777 squid
  printf 'me:here:%s\n' "$(printf me:here:secret | md5sum | cut -c 1-32)" >squid/digest
  chmod 644 squid/digest
  (umask 077 && echo me:secret >proxy-user)
  cat >squid.conf <<END
http_port 127.0.0.1:$serve_port
pid_filename $scratch/squid/pid
cache_log $scratch/squid/log
access_log none
cache_mem 64 MB
maximum_object_size_in_memory 1 MB
auth_param digest program /usr/lib/squid/digest_file_auth -c $scratch/squid/digest
auth_param digest realm here
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
END
  up Squid squid -N -f squid.conf &&
    interrupted "Squid with Digest, as a proxy" "$plain/image.qcow2" --proxy "127.0.0.1:$serve_port" \
      --proxy-user-file proxy-user && down
fi
done_testing
