#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A link of 100 ms there and back, 20 MB/s a connection: neither the many small requests of a map
# nor the gaps between large ones make it slow.  How fast is for the long form to say
# (QIMPORT_TEST_LONG); here it is that round trips are not added up.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"

disk=$scratch/disk
far () {
  serve_stop
  serve_start "$scratch/nginx" "$scratch" || bail "nginx does not start"
  python3 "$top_srcdir/tests/tools/delay-proxy.py" "$serve_port" >"$scratch/far" &
  background
  for _ in $(seq 100); do
    [ ! -s "$scratch/far" ] || break
    sleep 0.05
  done
  url=http://127.0.0.1:$(cat "$scratch/far")
}

# One cluster for each L2 table, far apart: every table is a request of its own.
qemu-img create -q -f qcow2 -o cluster_size=4K "$scratch/tables.qcow2" 4G
python3 -c '
for i in range (2000):
    print ("write -P %d %d 4096" % (i % 255 + 1, i << 21))' |
  qemu-io -f qcow2 -t unsafe "$scratch/tables.qcow2" >/dev/null
# tables apart from one another, as images grow: data between them
far
at=$(now_ms)
run qimport map --json "$url/tables.qcow2"
took=$(($(now_ms) - at))
exits 0 "2000 L2 tables over 100 ms"
check "  took $took ms, at most 10 s" [ $took -le 10000 ]

mib=${QIMPORT_LATENCY_MIB:-40}
[ -z "${QIMPORT_TEST_LONG:-}" ] || mib=200
net_image "$mib"
: >"$serve_log"
at=$(now_ms)
run qimport start "$url/image.qcow2" "$disk"
took=$(($(now_ms) - at))
exits 0 "$mib MiB over 100 ms and 4 x 20 MB/s"
assert_identical "$disk" "$expected" "  every byte is right"
ideal=$(($(size_of "$image") / 80000))
note "took $took ms, the link alone $ideal ms, $(wc -l <"$serve_log") requests"
if [ -n "${QIMPORT_TEST_LONG:-}" ]; then
  check "  in at most 1.25 of what the link takes" [ $took -le $((ideal * 5 / 4)) ]
else
  check "  in at most the link's time and 2.5 s" [ $took -le $((ideal + 2500)) ]
fi
done_testing
