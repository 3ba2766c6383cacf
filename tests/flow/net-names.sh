#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Names and addresses, in a network of the test's own: resolvers that never answer, and redirects
# to this machine and its link from a server elsewhere.
if [ "${1:-}" != inside ]; then
  user=
  [ "$(id -u)" = 0 ] || user=-r
  if ! unshare $user -n -m true 2>/dev/null; then
    echo "1..0 # SKIP no network namespaces here"
    exit 0
  fi
  exec unshare $user -n -m sh "$0" inside
fi
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk
ip link set lo up || skip_all "no network of our own"
# an address of documentation stands for a server elsewhere
for address in 203.0.113.7 203.0.113.8 169.254.169.254 10.9.8.7 100.100.100.200; do
  ip addr add $address/32 dev lo || bail "ip addr"
done
ip -6 addr add 2001:db8::7/128 dev lo 2>/dev/null
ip -6 addr add fd00:ec2::254/128 dev lo 2>/dev/null
cat >"$scratch/hosts" <<'END'
127.0.0.1 localhost inner.test
203.0.113.7 outer.test
169.254.169.254 metadata.test
203.0.113.8 both.test
127.0.0.1 both.test
END
echo 'nameserver 127.0.0.53' >"$scratch/resolv.conf"
mount --bind "$scratch/hosts" /etc/hosts && mount --bind "$scratch/resolv.conf" /etc/resolv.conf ||
  bail "mount"

# ---- P4: a resolver that never answers

python3 -c '
import socket, time
s = socket.socket (socket.AF_INET, socket.SOCK_DGRAM)
s.bind (("127.0.0.53", 53))
print ("deaf", flush=True)
n = 0
while True:
    s.recvfrom (512)
    n += 1
    open ("'"$scratch"'/asked", "w").write (str (n))' >"$scratch/deaf" &
background
until [ -s "$scratch/deaf" ]; do sleep 0.05; done

# interrupted WHAT ARGUMENT...: by one SIGINT, while the name is looked up
interrupted () {
  what=$1
  shift
  rm -f "$scratch/asked"
  env --default-signal=INT "$QIMPORT" "$@" 2>"$scratch/err" >"$scratch/out" &
  pid=$!
  background
  until [ -s "$scratch/asked" ]; do sleep 0.05; done
  at=$(now_ms)
  kill -INT $pid
  wait $pid
  rc=$?
  took=$(($(now_ms) - at))
  exits 3 "P4: Ctrl-C while a name is looked up, $what: 3"
  check "  within two seconds ($took ms)" [ $took -le 2000 ]
  one_message "  in one line"
}
net_image 6
liar --host 203.0.113.7
url=http://203.0.113.7:$port/image
interrupted "at the start" start http://nobody.test/image "$disk"
nothing "  nothing was made"
begin
interrupted "at resume" resume --url http://nobody.test/image "$disk"
untouched "  journal and part file are as they were"
lie
interrupted "of a proxy" resume --proxy http://nobody.test:3128 "$disk"
untouched "  journal and part file are as they were"
finishes "  the import goes on"
afresh
at=$(now_ms)
run qimport start --connect-timeout 1 --retry-time 2 http://nobody.test/image "$disk"
took=$(($(now_ms) - at))
exits 3 "N1: a resolver that does not answer: 3, after the budget"
check "  and soon ($took ms)" [ $took -le 6000 ]
nothing "  nothing was made"
run qimport start --max-time 1 http://nobody.test/image "$disk"
exits 3 "--max-time ends it too: 3"
nothing "  nothing was made"
lie
run qimport start --mirror http://nobody.test/image "$url" "$disk"
exits 0 "a mirror whose name nobody knows holds nothing up"
assert_identical "$disk" "$expected" "  every byte is right"

# ---- N12: the link is gone for a while, and the server has another address when it is back

net_image 12
liar --host 203.0.113.8
there_port=$port there=$requests
liar --host 203.0.113.7 --port "$there_port"
here=$requests
echo slow,600000 >"$control"
afresh
"$QIMPORT" start -q --stall-time 1 --retry-time 40 "http://outer.test:$there_port/image" "$disk" \
  2>"$scratch/err" >"$scratch/out" &
pid=$!
background
until [ "$(jq -s 'map (.sent) | add' "$here")" -ge 1500000 ]; do sleep 0.1; done 2>/dev/null
ip addr del 203.0.113.7/32 dev lo
sleep 3
sed 's/^203.0.113.7 outer/203.0.113.8 outer/' "$scratch/hosts" >"$scratch/hosts.new"
cat "$scratch/hosts.new" >/etc/hosts
wait $pid
rc=$?
exits 0 "N12: the link is gone, and the address another: goes on"
if is_right; then ok "  every byte is right"; else not_ok "  every byte is right" "$(cat "$scratch/cmp")"; fi
check "  the second address served some" [ "$(jq -s 'map (.sent) | add' "$there")" -gt 1000000 ]
fetched=$(import_of "$disk" .bytes.fetched)
check "  $fetched bytes were fetched, at most the image and 2 MB" [ "$fetched" -le $(($(size_of "$image") + 2000000)) ]
ip addr add 203.0.113.7/32 dev lo
sed 's/^203.0.113.8 outer/203.0.113.7 outer/' "$scratch/hosts.new" >/etc/hosts
net_image 6

# ---- A5: redirects to this machine

outer=$port outer_control=$control
liar --host 0.0.0.0
inner=$port inner_requests=$requests
liar --host ::
inner6=$port inner6_requests=$requests
control=$outer_control
url=http://203.0.113.7:$outer/image
# barred TO: not followed
barred () {
  afresh
  : >"$inner_requests"
  : >"$inner6_requests"
  echo "redirect,$1" >"$control"
  run qimport start --retry-time 1 "${2:-$url}" "$disk"
  exits 4 "A5: from elsewhere to $1: 4"
  says 'this machine or its link' "  it says why"
  is "$(cat "$inner_requests" "$inner6_requests")" "" "  nothing was asked there"
  nothing "  nothing was made"
}
for to in 127.0.0.1:$inner 127.9.9.9:$inner 0.0.0.0:$inner 0:$inner 127.1:$inner 2130706433:$inner \
  0x7f.1:$inner localhost:$inner LocalHost.:$inner a.localhost:$inner 169.254.169.254:$inner 100.100.100.200:$inner \
  inner.test:$inner metadata.test:$inner "[::1]:$inner6" "[::]:$inner6" "[::ffff:127.0.0.1]:$inner6" \
  "[::ffff:169.254.169.254]:$inner6" "[fd00:ec2::254]:$inner6"; do
  barred "http://$to/image"
done
barred "//127.0.0.1:$inner/image" "http://outer.test:$outer/image"
# a name that is elsewhere and here: who answers counts, not who was tried
both_control=$control
liar --host 203.0.113.8
barred "http://127.0.0.1:$inner/image" "http://both.test:$port/image"
control=$both_control url=http://203.0.113.7:$outer/image
# a proxy that this host does not go through judges nothing
http_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9
export http_proxy all_proxy no_proxy
for no_proxy in 203.0.113.7,inner.test .test,203.0.113.0/24 '*' '203.0.113.7, 127.0.0.1,TEST.'; do
  barred "http://inner.test:$inner/image"
done
no_proxy=inner.test
run qimport start --proxy http://127.0.0.1:9 --retry-time 0 "http://inner.test:$inner/image" "$disk"
exits 0 "no_proxy holds beside --proxy"
afresh
run qimport start --retry-time 0 "http://outer.test:$outer/image" "$disk"
exits 3 "what it does not name goes through the proxy"
unset http_proxy all_proxy no_proxy
# in the middle of an import, when it is resolved anew
afresh
echo "redirect,http://203.0.113.7:$outer/pinned@1+status,410@8+redirect,http://127.0.0.1:$inner/image@9-" >"$control"
: >"$inner_requests"
run qimport start --connections 1 "$url" "$disk"
exits 4 "A5: in the middle: 4"
is "$(cat "$inner_requests")" "" "  nothing was asked there"
check "  there is no target" [ ! -e "$disk" ]
check "  what was committed is" [ "$(import_of "$disk" .bytes.guest_committed)" -gt 0 ]
echo >"$control"
finishes "  without the redirect it goes on"

# followed FROM TO WHAT
followed () {
  afresh
  echo "redirect,$2@1" >"$control"
  run qimport start "$1" "$disk"
  exits 0 "A5: $3: followed"
  assert_identical "$disk" "$expected" "  every byte is right"
}
followed "$url" "http://10.9.8.7:$inner/image" "from elsewhere to a private network"
followed "$url" "http://203.0.113.8:$inner/image" "from elsewhere to elsewhere"
followed "$url" "http://both.test:$inner/image" "to a name with a good address and a barred one"
echo >"$control"
liar --host 127.0.0.1
followed "http://127.0.0.1:$port/image" "http://localhost:$inner/image" "from this machine to this machine"
followed "http://inner.test:$port/image" "http://169.254.169.254:$inner/image" "from a name of this machine"

# behind a proxy it is the proxy that knows addresses
python3 "$top_srcdir/tests/tools/proxy.py" >"$scratch/proxy" 2>"$scratch/proxy.err" &
background
until [ -s "$scratch/proxy" ]; do sleep 0.05; done
control=$outer_control url=http://203.0.113.7:$outer/image
echo "redirect,http://203.0.113.8:$inner/image@1" >"$control"
afresh
run qimport start --proxy "http://127.0.0.1:$(cat "$scratch/proxy")" "$url" "$disk"
exits 0 "A5: a proxy on this machine bars nothing"
assert_identical "$disk" "$expected" "  every byte is right"
echo "redirect,http://127.0.0.1:$inner/image@1" >"$control"
afresh
: >"$inner_requests"
run qimport start --proxy "http://127.0.0.1:$(cat "$scratch/proxy")" "$url" "$disk"
exits 4 "A5: nor does it let a redirect to this machine pass: 4"
is "$(cat "$inner_requests")" "" "  nothing was asked there"
done_testing
