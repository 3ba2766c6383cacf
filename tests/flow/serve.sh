# SPDX-License-Identifier: LGPL-2.1-or-later
#
# serve: an nginx of our own on a free port of loopback, as the user who runs this, with its
# configuration and logs in a directory of its own.  It owns nothing outside that directory and
# stops by pid.  Sourced by tests/flow/lib.sh, tools/quickstart and bench/bench.sh.
#
#     serve_start DIR FILES [RATE]   FILES under $serve_url; RATE bytes a second and connection,
#                                    0 for none; nginx's files go to DIR
#     serve_stop
#     serve_tls                      where it is set: the lines of a certificate and its key
#     serve_behind                   where it is set: http://HOST:PORT; no files, but etc/nginx/image-cache.conf
#                                    with that as its origin, and what it keeps in DIR/kept
#     $serve_url $serve_pid          http://127.0.0.1:PORT; also $serve_url/plain, where the
#                                    same files come without ranges
#     $serve_log                     a line a request: METHOD PATH STATUS BYTES RANGE

serve_pid=

serve_files () {
  cat <<EOF
  server {
    listen 127.0.0.1:$4${serve_tls:+ ssl};
    ${serve_tls:-}
    root $2;
    limit_rate $3;
    location /plain/ { alias $2/; max_ranges 0; etag off; }
  }
EOF
}

serve_cache () {
  sed -e "s|images.example.org:443|${serve_behind#*//}|; s|images.example.org|${serve_behind#*//}|" \
    -e "s|https://images;|http://images;|; s|listen 80;|listen 127.0.0.1:$2;|" \
    -e "s|/var/cache/nginx/images|$1/kept|; /proxy_ssl_/d" "$top_srcdir/etc/nginx/image-cache.conf"
}

serve_config () {
  cat <<EOF
daemon off;
master_process off;
worker_processes 1;
pid $1/pid;
error_log $1/error.log;
events { worker_connections 256; }
http {
  log_format short '\$request_method \$uri \$status \$body_bytes_sent \$http_range';
  access_log $1/access.log short;
  client_body_temp_path $1/tmp;
  proxy_temp_path $1/tmp;
  fastcgi_temp_path $1/tmp;
  uwsgi_temp_path $1/tmp;
  scgi_temp_path $1/tmp;
  default_type application/octet-stream;
  types { text/html html; }
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 60;
  keepalive_requests 100000;
$(if [ -n "${serve_behind:-}" ]; then serve_cache "$1" "$4"; else serve_files "$@"; fi)
}
EOF
}

# A port below the ephemeral ones that nobody listens on.
serve_free_port () {
  while :; do
    serve_port=$(od -An -N2 -tu2 /dev/urandom)
    serve_port=$((10240 + serve_port % 20000))
    grep -qi ":$(printf %04X "$serve_port") 0*:0000 0A" /proc/net/tcp || return 0
  done
}

serve_start () {
  mkdir -p "$1"
  for _ in 1 2 3 4 5; do
    serve_free_port
    rm -f "$1/pid"
    serve_config "$1" "$2" "${3:-0}" "$serve_port" >"$1/nginx.conf"
    "$(command -v nginx || echo /usr/sbin/nginx)" -e "$1/error.log" -p "$1" -c "$1/nginx.conf" 2>>"$1/start.log" &
    serve_pid=$!
    # The pid file appears once the port is bound.
    for _ in $(seq 100); do
      if [ -s "$1/pid" ]; then
        serve_url=http://127.0.0.1:$serve_port
        serve_log=$1/access.log
        return 0
      fi
      kill -0 "$serve_pid" 2>/dev/null || break
      sleep 0.05
    done
    serve_stop
  done
  cat "$1/start.log" "$1/error.log" >&2
  return 1
}

serve_stop () {
  [ -n "$serve_pid" ] || return 0
  kill "$serve_pid" 2>/dev/null
  wait "$serve_pid" 2>/dev/null
  serve_pid=
}
