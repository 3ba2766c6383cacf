# SPDX-License-Identifier: LGPL-2.1-or-later
"""server: a web server within the model's process, for as many images as it is told.

A place serves a version of an image with the validators of its policy.  A command may be given
a limit on body bytes, after which the server breaks every connection ("cut") or stays silent on
those that there are until it is released ("hold").
"""
import os
import re
import socket
import threading

ETAGS = ("strong", "weak", "weak-same", "none", "strong-same", "fresh")
MODIFIED = ("own", "same", "none")


def of_process(connection, pid):
    """Is the other end of CONNECTION the process PID's, or a child's of it?"""
    end = ":%04X" % connection.getpeername()[1]
    with open("/proc/net/tcp") as f:
        inodes = [line.split()[9] for line in f if line.split()[1].endswith(end)]
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        pids = [str(pid)] + f.read().split()
    links = []
    for name in [f"/proc/{p}/fd/{n}" for p in pids for n in os.listdir(f"/proc/{p}/fd")]:
        try:
            links.append(os.readlink(name))
        except FileNotFoundError:  # it was closed meanwhile
            pass
    return any(f"socket:[{inode}]" in links for inode in inodes)


class Place:
    """One URL: what it serves, how it is told, and how much has been asked of it."""

    def __init__(self, version):
        self.version, self.etag, self.modified, self.ranges = version, "strong", "own", True
        self.answers = 0

    def headers(self):
        self.answers += 1
        tag = {"strong": f'"{self.version.etag}"', "weak": f'W/"{self.version.etag}"',
               "weak-same": 'W/"same"', "strong-same": '"same"', "none": None,
               "fresh": f'"{self.answers}"'}[self.etag]
        second = int(self.version.etag[:4], 16) % 60 if self.modified == "own" else 30
        lines = [f"ETag: {tag}"] if tag else []
        if self.modified != "none":
            lines.append(f"Last-Modified: Mon, 02 Nov 2026 10:00:{second:02d} GMT")
        return tag, lines


class Server:
    def __init__(self):
        self.places, self.lock = {}, threading.Lock()
        self.left, self.how, self.process = None, None, None
        self.reached, self.go = threading.Event(), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def limit(self, how=None, body=None):
        """From now on no more than BODY bytes, then HOW: "cut" or "hold"; None: no limit."""
        with self.lock:
            self.left, self.how = body, how
            self.reached.clear()
            self.go.clear()
            self.process = None

    def release(self):
        with self.lock:
            self.left = self.how = None
            self.go.set()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                after = self.of_another(connection)
                stream = connection.makefile("rb")
                while self.answer(connection, stream, after):
                    pass
            except OSError:
                pass

    def of_another(self, connection):
        """A hold is for those who came before it is reached, and for all of that process."""
        if not self.reached.is_set():
            return False
        try:
            return self.process is None or not of_process(connection, self.process)
        except (OSError, IndexError):
            return True

    def request(self, stream):
        line = stream.readline(65536).decode("latin-1").split()
        headers = {}
        while len(line) == 3:
            words = stream.readline(65536).decode("latin-1").rstrip("\r\n")
            if not words:
                break
            name, _, value = words.partition(":")
            headers[name.lower()] = value.strip()
        return line, headers

    def answer(self, connection, stream, after):
        line, headers = self.request(stream)
        if len(line) != 3:
            return False
        place = self.places.get(line[1].lstrip("/"))
        if place is None:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        with self.lock:
            body, (tag, lines) = place.version.bytes, place.headers()
        first, last, status = 0, len(body) - 1, "200 OK"
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if ranged and place.ranges and headers.get("if-range", tag) == tag:
            first = int(ranged[1])
            last = min(last, int(ranged[2]) if ranged[2] else last)
            status = "206 Partial Content"
            lines.append(f"Content-Range: bytes {first}-{last}/{len(body)}")
            if first > last:
                connection.sendall(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n")
                return True
        if place.ranges:
            lines.append("Accept-Ranges: bytes")
        lines += [f"Content-Length: {last + 1 - first}", "Date: Mon, 30 Nov 2026 10:00:00 GMT"]
        head = f"HTTP/1.1 {status}\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        return self.send(connection, head.encode(), body[first:last + 1] if line[0] == "GET"
                         else b"", after)

    def allowed(self, wanted, after):
        with self.lock:
            if self.left is None or (self.how == "hold" and after):
                return wanted
            n = min(wanted, self.left)
            self.left -= n
            return n

    def send(self, connection, head, body, after):
        n = self.allowed(len(body), after)
        connection.sendall(head + body[:n] if n == len(body) or n > 0 else b"")
        if n == len(body):
            return True
        self.reached.set()
        if self.how != "hold":
            return False
        self.go.wait(120)
        connection.sendall(body[n:] if n > 0 else head + body)
        return True
