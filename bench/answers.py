#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""answers: how soon qimport answers where people wait for it, in milliseconds.

    answers.py QIMPORT SCRATCH RUNS IMAGE...

Resume: an import of each IMAGE is killed (-9) when a third of it has been sent; then the time from
the start of "qimport resume" to its first request that goes for data: a range that does not begin
with the image's header.  Status: "qimport status" with a thousand imports in the journal.
Medians, with the least and the greatest.
"""
import http.server
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

IMPORTS = 1000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, size = self.server, os.path.getsize(self.server.image)
        first, last = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-")).groups()
        first, last = int(first), min(int(last or size - 1), size - 1)
        server.asked.append((time.monotonic(), first))
        self.send_response(206)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        with open(server.image, "rb") as f:
            f.seek(first)
            while first <= last and not (server.limit and server.sent > server.limit):
                piece = f.read(min(65536, last - first + 1))
                self.wfile.write(piece)
                first += len(piece)
                server.sent += len(piece)
        if first <= last:
            server.full.set()
            threading.Event().wait(3)
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # who was killed reads no more

    def aim(self, image, limit):
        self.image, self.limit, self.sent, self.asked = image, limit, 0, []
        self.full = threading.Event()


def first_range(server, qimport, image, disk, env):
    """Kill an import half-way; how long the resume takes to ask for data."""
    server.aim(image, os.path.getsize(image) // 3)
    url = f"http://127.0.0.1:{server.server_port}/image"
    begun = subprocess.Popen([qimport, "start", "-q", url, disk], env=env)
    if not server.full.wait(60):
        sys.exit("answers: the import does not get as far as it should")
    time.sleep(1.5)  # a commit interval
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    server.aim(image, 0)
    at = time.monotonic()
    resumed = subprocess.Popen([qimport, "resume", "-q", disk], env=env)
    while not (found := [t for t, first in server.asked if first > 0]):
        if resumed.poll() is not None:
            sys.exit("answers: the resume asked for nothing")
        time.sleep(0.001)
    resumed.send_signal(signal.SIGKILL)
    resumed.wait()
    subprocess.run([qimport, "forget", disk], env=env, check=True)
    subprocess.run(["rm", "-f", disk, disk + ".qimport-part"], check=True)
    return (found[0] - at) * 1000


def status(qimport, scratch, env):
    image = os.path.join(scratch, "small.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64K"], check=True)
    for i in range(IMPORTS):
        disk = os.path.join(scratch, "disk.small")
        subprocess.run([qimport, "start", "-q", image, f"{disk}{i}"], env=env, check=True)
        os.unlink(f"{disk}{i}")

    def once():
        at = time.monotonic()
        out = subprocess.run([qimport, "status"], env=env, check=True, capture_output=True).stdout
        took = (time.monotonic() - at) * 1000
        if out.count(b"\n") < IMPORTS:
            sys.exit("answers: status does not list them all")
        return took

    return [once() for _ in range(20)]


def line(what, ms):
    print(f"| {what:50} | {statistics.median(ms):8.1f} | {min(ms):8.1f} | {max(ms):8.1f} |")


def main(qimport, scratch, runs, images):
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, QIMPORT_JOURNAL=os.path.join(scratch, "answers.db"))
    disk = os.path.join(scratch, "disk")
    print(f"| {'':50} | {'median':>8} | {'least':>8} | {'most':>8} |")
    print(f"|{'-' * 52}|{'-' * 9}:|{'-' * 9}:|{'-' * 9}:|")
    for image in images:
        line(f"resume of {os.path.basename(image)}",
             [first_range(server, qimport, image, disk, env) for _ in range(int(runs))])
    line(f"status of {IMPORTS} imports", status(qimport, scratch, env))


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
