#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What systemd is told: that the disk is whole, how far it is, and that the process lives.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

cd "$scratch" || exit 99
head -c 8M /dev/urandom >guest.raw
qemu-img convert -q -O qcow2 guest.raw image.qcow2
disk=$scratch/disk

# listen ADDRESS: every message is a line of the file "told"
listen () {
  : >told
  rm -f socket listening
  python3 - "$1" <<'END' &
import socket, sys
s = socket.socket (socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind (sys.argv[1].replace ("@", "\0"))
open ("listening", "w").close ()
while True:
    with open ("told", "a") as f:
        f.write (s.recv (65536).decode () + "\n")
END
  listener=$!
  background
  until [ -e listening ]; do sleep 0.05; done
}
told () { grep -q -- "$1" told; }
not_told () { ! grep -q -- "$1" told; }
all_told () { sleep 0.2; kill $listener; wait $listener 2>/dev/null; }

listen socket
NOTIFY_SOCKET=$scratch/socket
export NOTIFY_SOCKET
WATCHDOG_USEC=5000000 "$QIMPORT" start -q --limit-rate 3M image.qcow2 "$disk"
is $? 0 "an import that is listened to is complete"
all_told
check "how far it is, how fast and how long it takes is told" told '^STATUS=disk: [1-9][0-9.]*%, .* of 8.0 MiB, .*/s, '
is "$(grep -c '^READY=1' told)" 1 "that it is ready is told once"
is "$(sed -n '/^READY/,$p' told | grep -c 'EXTEND\|^WATCHDOG')" 0 "at the end"
check "what came before has longer timeouts" told '^EXTEND_TIMEOUT_USEC=[1-9]'
check "and food for the watchdog" told '^WATCHDOG=1'
check "the end is told" told '^STOPPING=1'

listen socket
run qimport ensure -q image.qcow2 "$disk"
all_told
check "ensure of what is complete is ready" told '^READY=1'
listen socket
run qimport start -q none.qcow2 "$scratch/none"
exits 4 "an import that is refused"
all_told
check "is never ready" not_told '^READY'
check "and says why" told '^STATUS=.*none.qcow2: cannot be opened'

WATCHDOG_PID=1 WATCHDOG_USEC=5000000
export WATCHDOG_PID WATCHDOG_USEC
listen @qimport-$$
NOTIFY_SOCKET=@qimport-$$ "$QIMPORT" start -q --limit-rate 3M --max-time 2 image.qcow2 "$scratch/two"
all_told
check "an abstract socket is one" told '^STATUS=two: '
check "another process's watchdog is not fed" not_told WATCHDOG
unset WATCHDOG_PID WATCHDOG_USEC
listen socket
run qimport resume -q --all --limit-rate 3M
exits 0 "an import is gone on with"
all_told
is "$(head -n 1 told)" READY=1 "resume is ready when it begins"
listen socket
run qimport resume --all
exits 0 "nothing is left to go on with"
all_told
check "which is ready as well" told '^READY=1'
listen socket
printf 'image.qcow2 l1\nimage.qcow2 l2\n' >list
run qimport start -q --limit-rate 4M --jobs 2 -f list
all_told
check "of several it is told how many are done" told '^STATUS=[0-2] of 2 done, '
is "$(grep -c '^READY=1' told)" 1 "and once that all are"

rm -f socket
run qimport start -q image.qcow2 "$scratch/three"
exits 0 "nobody listens: the import does not mind"
done_testing
