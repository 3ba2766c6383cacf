#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lying-server: an HTTP/1.1 server that serves one file, honestly or not.

    lying-server.py --file IMAGE [--log LOG] [--control FILE] [--host ADDRESS] [--port N]
                    [--tls CERT KEY] [--client-ca CERT]

Prints its port on standard output, serves until SIGTERM. With --log every request is appended as
one line of JSON: n, path, method, range, if_range, headers, status, sent (body bytes), conn.

An honest answer knows ranges, If-Range, keep-alive; has a strong ETag, Last-Modified, Date.
Lies are asked for in the path, /b/LIE[+LIE...]/anything, or by the text of the control file,
which is read anew at each request and holds for all paths (LIE[+LIE...]; empty: none); its requests are counted from when it was
written.

A LIE is NAME[,ARG...][@FROM[-[TO]]]; arguments are percent-decoded; @ says for which requests to
this path, counted from 1: @3 the third, @3- from the third on, @2-4.

    etag,VALUE        that ETag, as it is; etag,none: none; etag,weak: W/"weak"; etag,random: a
                      new one at each answer; etag,random-weak: and weak
    modified,VALUE    that Last-Modified; modified,none; modified,now: a date too recent to be strong
    no-date           no Date
    ignore-range      200 and all of it, whatever was asked
    all-206           206 and all of it, whatever was asked
    if-range-200      200 to any request with If-Range
    if-range-ignored  206 although If-Range does not match
    if-range-bare     no Last-Modified in the answer to If-Range
    shift,N           the range and its Content-Range begin N bytes later
    short,N           at most N bytes of the range, honestly
    no-content-range  206 with the first bytes of the file, unlabelled
    content-range,T   206 with that Content-Range
    total,N           Content-Range with total N (or: double, star)
    416[,N]           416 with Content-Range bytes */N
    length,N          Content-Length N, whatever is sent
    two-lengths,N     a second Content-Length N
    long              a body twice as long as its range says (length of the body is told)
    long-chunked      the same, chunked
    chunked           chunked, honest
    no-length         no Content-Length, ended by closing
    cut,N             closed after N body bytes
    rst,N             reset after N body bytes
    cut-headers,N     closed after N bytes of the headers
    break,SEED,LO,HI[,HEADERS]  closed after LO..HI bytes, headers included, by a seeded
                      generator; one in eight times within the first HEADERS bytes
    stall,N           silent for ever after N body bytes
    slow,N            N bytes a second
    delay,S           S seconds before the answer
    multipart         206 as multipart/byteranges
    encoding,NAME     Content-Encoding NAME
    html              200 with a small HTML page
    status,N[,RETRY]  that status, with Retry-After if given
    rate,N[,STATUS]   503 (STATUS) to what comes sooner than 1/N s after the last that did not
    at-once,N[,STATUS]  503 (STATUS) while N requests are being answered
    quota,N           N body bytes since the control file was written, then the connection
                      breaks, and 503
    body,TEXT[,TYPE]  TEXT (of TYPE) is what such an answer says
    redirect,URL[,N]  status N (302) to URL; "%PORT%" in it is this server's port
    big-headers,N     N bytes of junk headers
    drop,NAME         none of those headers
    header,TEXT...    more lines of header, as they are; {first} {last} {total} {len} in them are
                      the range's; header2, header3: the same again
    status-line,TEXT  instead of "HTTP/1.1 206 Whatever"
    trailer,TEXT      chunked, and this behind it
    accept-ranges,V   that Accept-Ranges (bytes)
    interim,N[,S]     N answers 102 before the real one, S seconds apart
    endless           a chunked body that goes on after its range without end
    flip,AT           the byte at AT of the file is another
    other             all bytes are others
    auth,USER:PASS    401 without these Basic credentials
    need,NAME,VALUE   403 without that header
    sigv4,ID:SECRET:REGION:SERVICE   403 without AWS's signature (version 4) by that key; the
                      log says in "sigv4" what is wrong with it
    refuse-header,NAME  418 when that header is sent: a leak
"""
import argparse, base64, email.utils, hashlib, hmac, json, os, random, re, signal, socket, ssl
import struct, sys, threading, time

from urllib.parse import quote, unquote

LOCK = threading.Lock()
MODIFIED = "Sat, 03 Feb 2024 04:05:06 GMT"


class Done(Exception):
    """The connection is over."""


def parse_lies(text):
    lies = []
    for item in filter(None, text.split("+")):
        name, _, when = item.partition("@")
        lo, hi = 1, 1 << 60
        if when:
            a, dash, b = when.partition("-")
            lo = int(a)
            hi = int(b) if b else (1 << 60 if dash else lo)
        parts = [unquote(p, "latin-1") for p in name.split(",")]
        lies.append((parts[0], parts[1:], lo, hi))
    return lies


class Server:
    def __init__(self, args):
        self.args = args
        self.counts = {}
        self.controlled = None
        self.control_count = 0
        self.control_sent = 0
        self.n = 0
        self.rng = {}
        self.busy = 0
        self.last = 0
        self.log = open(args.log, "a", buffering=1) if args.log else None
        family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
        self.sock = socket.create_server((args.host, args.port), family=family, backlog=128)
        self.port = self.sock.getsockname()[1]
        self.tls = None
        if args.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*args.tls)
            if args.client_ca:
                self.tls.load_verify_locations(args.client_ca)
                self.tls.verify_mode = ssl.CERT_REQUIRED

    def lies_for(self, path):
        with LOCK:
            self.counts[path] = self.counts.get(path, 0) + 1
            count = self.counts[path]
            self.n += 1
            n = self.n
        m = re.match(r"/b/([^/?]*)", path)
        lies = parse_lies(m.group(1)) if m else []
        lies = {name: args for name, args, lo, hi in lies if lo <= count <= hi}
        lies.update(self.control())
        return n, lies

    def control(self):
        try:
            with open(self.args.control or os.devnull) as f:
                text, stamp = f.read().strip(), os.fstat(f.fileno()).st_mtime_ns
        except FileNotFoundError:
            return {}
        with LOCK:
            if self.controlled != (text, stamp):
                self.controlled, self.control_count = (text, stamp), 0
                self.control_sent = 0
            self.control_count += 1
            count = self.control_count
        return {name: args for name, args, lo, hi in parse_lies(text) if lo <= count <= hi}

    def random_between(self, seed, lo, hi, headers=0):
        with LOCK:
            rng = self.rng.setdefault(seed, random.Random(seed))
            if headers and rng.randrange(8) == 0:
                return rng.randint(1, headers)
            return rng.randint(lo, hi)

    def record(self, entry):
        if self.log:
            with LOCK:
                self.log.write(json.dumps(entry) + "\n")

    def run(self):
        print(self.port, flush=True)
        number = 0
        while True:
            conn, _ = self.sock.accept()
            number += 1
            threading.Thread(target=self.serve, args=(conn, number), daemon=True).start()

    def shake_hands(self, conn):
        try:
            conn.do_handshake()
        except ssl.SSLError:
            time.sleep(0.5)  # that the alert is read before the connection is reset
            raise

    def serve(self, conn, number):
        try:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True,
                                            do_handshake_on_connect=False)
                self.shake_hands(conn)
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    got = conn.recv(65536)
                    if not got:
                        return
                    rest += got
                head, _, rest = rest.partition(b"\r\n\r\n")
                Answer(self, conn, number, head.decode("latin-1")).go()
        except (Done, OSError):
            pass
        finally:
            conn.close()


class Answer:
    def __init__(self, server, conn, number, head):
        self.server, self.conn = server, conn
        lines = head.split("\r\n")
        self.method, self.path, _ = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.n, self.lies = server.lies_for(self.path)
        self.size = os.path.getsize(server.args.file)
        self.sent = 0
        self.budget = None
        self.entry = {"n": self.n, "conn": number, "path": self.path, "method": self.method,
                      "range": self.headers.get("range"),
                      "if_range": self.headers.get("if-range"), "headers": self.headers}
        if "break" in self.lies:
            self.budget = server.random_between(*map(int, self.lies["break"]))
        if "cut-headers" in self.lies:
            self.budget = int(self.lies["cut-headers"][0])

    # ---- what is said

    def etag(self):
        arg = self.lies.get("etag", [None])[0]
        if arg is None:
            return '"%s"' % hashlib.sha256(self.server.args.file.encode()).hexdigest()[:16]
        if arg in ("random", "random-weak"):
            return ("W/" if arg == "random-weak" else "") + '"%d"' % self.n
        return {"none": None, "weak": 'W/"weak"'}.get(arg, arg)

    def modified(self):
        arg = self.lies.get("modified", [None])[0]
        if arg == "none" or ("if-range-bare" in self.lies and "if-range" in self.headers):
            return None
        if arg == "now":
            return email.utils.formatdate(self.server.started, usegmt=True)
        return arg or MODIFIED

    def common(self):
        h = [("Server", "lying"), ("Accept-Ranges", self.lies.get("accept-ranges", ["bytes"])[0]),
             ("Content-Type", "application/octet-stream")]
        if "no-date" not in self.lies:
            h.append(("Date", email.utils.formatdate(usegmt=True)))
        if self.etag():
            h.append(("ETag", self.etag()))
        if self.modified():
            h.append(("Last-Modified", self.modified()))
        if "encoding" in self.lies:
            h.append(("Content-Encoding", self.lies["encoding"][0]))
        if "big-headers" in self.lies:
            h += [("X-Junk-%d" % i, "j" * 1000)
                  for i in range(int(self.lies["big-headers"][0]) // 1000)]
        return h

    def wanted(self):
        """(first, end) asked for, or None for the whole."""
        m = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if not m or "ignore-range" in self.lies:
            return None
        tag = self.headers.get("if-range")
        if tag is not None and "if-range-ignored" not in self.lies:
            if "if-range-200" in self.lies or tag not in (self.etag(), self.modified() or MODIFIED) \
                    or tag.startswith("W/"):
                return None
        first = int(m.group(1))
        end = min(int(m.group(2)) + 1 if m.group(2) else self.size, self.size)
        return first, end

    def too_much(self):
        """Whether rate or at-once refuse this one."""
        server, now = self.server, time.monotonic()
        with LOCK:
            if "at-once" in self.lies and server.busy > int(self.lies["at-once"][0]):
                return int((self.lies["at-once"] + ["503"])[1])
            if "rate" in self.lies:
                if now < server.last + 1 / float(self.lies["rate"][0]):
                    return int((self.lies["rate"] + ["503"])[1])
                server.last = now
        return None

    def go(self):
        with LOCK:
            self.server.busy += 1
            self.entry["busy"] = self.server.busy
        try:
            if "delay" in self.lies:
                time.sleep(float(self.lies["delay"][0]))
            self.answer()
            if self.closes():
                raise Done
        finally:
            self.entry["sent"] = self.sent
            with LOCK:
                self.server.control_sent += self.sent
                self.server.busy -= 1
            self.server.record(self.entry)

    def closes(self):
        return self.headers.get("connection", "").lower() == "close"

    def refused(self):
        lies = self.lies
        if "auth" in lies:
            want = "Basic " + base64.b64encode(lies["auth"][0].encode()).decode()
            if self.headers.get("authorization") != want:
                return 401
        if "need" in lies and self.headers.get(lies["need"][0].lower()) != lies["need"][1]:
            return 403
        if "sigv4" in lies:
            self.entry["sigv4"] = self.signature_fault(*lies["sigv4"][0].split(":"))
            if self.entry["sigv4"]:
                return 403
        if "refuse-header" in lies and lies["refuse-header"][0].lower() in self.headers:
            return 418
        return None

    def signature_fault(self, key_id, secret, region, service):
        """What is wrong with the signature, by AWS's description of it; None: nothing."""
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/"
                         r"aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
                         r"Signature=([0-9a-f]{64})",
                         self.headers.get("authorization", ""))
        if not m:
            return "no Authorization of that form"
        date, names = self.headers.get("x-amz-date", ""), m.group(5).split(";")
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 300))
        if (m.group(1), m.group(3), m.group(4)) != (key_id, region, service):
            return "another key or scope"
        if not date.startswith(m.group(2)) or date < now:
            return "X-Amz-Date is old, or another day"
        unsigned = [n for n in self.headers
                    if (n == "host" or n.startswith("x-amz-")) and n not in names]
        if unsigned or names != sorted(names):
            return "not signed, or not in order: %s" % (unsigned or names)
        path, _, query = self.path.partition("?")
        pairs = sorted((n, v) for n, _, v in (p.partition("=") for p in query.split("&") if p))
        headers = "".join("%s:%s\n" % (n, " ".join(self.headers[n].split())) for n in names)
        payload = self.headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
        request = "\n".join([self.method, quote(unquote(path)),
                             "&".join("%s=%s" % p for p in pairs), headers, m.group(5), payload])
        scope = "/".join([m.group(2), region, service, "aws4_request"])
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                          hashlib.sha256(request.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        if hmac.new(key, text.encode(), "sha256").hexdigest() != m.group(6):
            return "the signature is not that of %r" % request
        return None

    def answer(self):
        lies = self.lies
        status = self.too_much() or self.refused()
        if status:
            wants = [("WWW-Authenticate", 'Basic realm="x"')] if status == 401 else []
            return self.small(status, wants)
        if "quota" in lies and self.server.control_sent >= int(lies["quota"][0]):
            return self.small(503)
        if "status" in lies:
            extra = [("Retry-After", lies["status"][1])] if len(lies["status"]) > 1 else []
            return self.small(int(lies["status"][0]), extra)
        if "redirect" in lies:
            url = lies["redirect"][0].replace("%PORT%", str(self.server.port))
            code = int(lies["redirect"][1]) if len(lies["redirect"]) > 1 else 302
            return self.small(code, [("Location", url)])
        if "416" in lies:
            total = lies["416"][0] if lies["416"] else str(self.size)
            return self.small(416, [("Content-Range", "bytes */" + total)])
        if "html" in lies:
            return self.send(200, [("Content-Type", "text/html")], b"<html>Log in</html>")
        self.serve_file()

    def serve_file(self):
        lies, span = self.lies, self.wanted()
        if "all-206" in lies:
            label = ("Content-Range", "bytes 0-%d/%d" % (self.size - 1, self.size))
            return self.send(206, self.common() + [label], (0, self.size))
        if span is None:
            return self.send(200, self.common(), (0, self.size))
        first, end = span
        if first >= self.size:
            return self.small(416, [("Content-Range", "bytes */%d" % self.size)])
        if "shift" in lies:
            n = int(lies["shift"][0])
            first, end = first + n, min(end + n, self.size)
        if "short" in lies:
            end = min(end, first + int(lies["short"][0]))
        total = lies.get("total", [str(self.size)])[0]
        total = {"double": str(2 * self.size), "star": "*"}.get(total, total)
        label = lies.get("content-range", ["bytes %d-%d/%s" % (first, end - 1, total)])[0]
        headers = self.common()
        if "multipart" in lies:
            body = ("--X\r\nContent-Range: %s\r\n\r\n" % label).encode() \
                + self.read(first, end - first) + b"\r\n--X--\r\n"
            headers = [h for h in headers if h[0] != "Content-Type"]
            return self.send(206, headers + [("Content-Type", "multipart/byteranges; boundary=X")],
                             body)
        if "no-content-range" in lies:
            return self.send(206, headers, (0, end - first))
        if "long" in lies or "long-chunked" in lies:
            body = self.read(first, end - first) * 2
        else:
            body = (first, end)
        self.send(206, headers + [("Content-Range", label)], body,
                  {"first": first, "last": end - 1, "len": end - first})

    def small(self, status, extra=()):
        said = self.lies.get("body", ["status %d\n" % status])
        kind = said[1] if len(said) > 1 else "text/plain"
        self.send(status, [("Content-Type", kind),
                           ("Date", email.utils.formatdate(usegmt=True))] + list(extra),
                  said[0].encode("latin-1"))

    # ---- the bytes

    def read(self, at, n):
        with open(self.server.args.file, "rb") as f:
            f.seek(at)
            data = bytearray(f.read(n))
        if "other" in self.lies:
            data = bytearray(b ^ 0xff for b in data)
        if "flip" in self.lies:
            i = int(self.lies["flip"][0]) - at
            if 0 <= i < len(data):
                data[i] ^= 0xff
        return bytes(data)

    def raw(self, data):
        """Everything goes through here, so that a connection can break anywhere."""
        if self.budget is not None and len(data) >= self.budget:
            self.conn.sendall(data[:self.budget])
            raise Done
        if self.budget is not None:
            self.budget -= len(data)
        self.conn.sendall(data)

    def send(self, status, headers, body, said={}):
        lies = self.lies
        self.entry["status"] = status
        length = body[1] - body[0] if isinstance(body, tuple) else len(body)
        chunked = {"chunked", "long-chunked", "endless", "trailer"} & set(lies)
        lines = lies.get("status-line", ["HTTP/1.1 %d Whatever" % status]) \
            + ["%s: %s" % h for h in headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif "no-length" not in lies:
            lines.append("Content-Length: %s" % lies.get("length", [length])[0])
        if self.closes() or ("no-length" in lies and not chunked):
            lines.append("Connection: close")
        if "two-lengths" in lies:
            lines.append("Content-Length: %s" % lies["two-lengths"][0])
        dropped = [n.lower() for n in lies.get("drop", [])]
        lines = lines[:1] + [l for l in lines[1:] if l.partition(":")[0].lower() not in dropped]
        for name in "header", "header2", "header3":
            for text in lies.get(name, []):
                for word, value in {"total": self.size, "len": length, **said}.items():
                    text = text.replace("{%s}" % word, str(value))
                lines.append(text)
        for _ in range(int(lies.get("interim", ["0"])[0])):
            time.sleep(float((lies["interim"] + ["0"])[1]))
            self.raw(b"HTTP/1.1 102 Processing\r\nX-Wait: yes\r\n\r\n")
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if status != 204 and self.method != "HEAD":
            self.body(body, length, chunked)
        if "no-length" in lies:
            raise Done

    def body(self, body, length, chunked):
        lies = self.lies
        stop = min(int(lies[k][0]) for k in ("cut", "rst", "stall") if k in lies) \
            if {"cut", "rst", "stall"} & set(lies) else None
        if "quota" in lies:
            left = max(0, int(lies["quota"][0]) - self.server.control_sent)
            stop = left if stop is None else min(stop, left)
        piece = 65536
        if "slow" in lies:
            piece = max(1, int(lies["slow"][0]) // 20)
        at, begun = 0, time.monotonic()
        while at < length:
            n = min(piece, length - at)
            if stop is not None:
                n = min(n, stop - at)
                if n <= 0:
                    break
            data = self.read(body[0] + at, n) if isinstance(body, tuple) else body[at:at + n]
            self.raw(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            at += n
            self.sent += n
            if "slow" in lies:
                time.sleep(max(0, begun + at / int(lies["slow"][0]) - time.monotonic()))
        if stop is not None and at < length:
            self.break_off()
        while "endless" in lies:
            self.raw(b"10000\r\n" + bytes(65536) + b"\r\n")
            self.sent += 65536
        if chunked:
            self.raw("\r\n".join(["0", *lies.get("trailer", []), "", ""]).encode())

    def break_off(self):
        if "stall" in self.lies:
            while self.conn.recv(4096):
                pass
        if "rst" in self.lies:
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Done


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--file", required=True)
    p.add_argument("--log")
    p.add_argument("--control")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    p.add_argument("--client-ca")
    server = Server(p.parse_args())
    server.started = time.time()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server.run()


if __name__ == "__main__":
    main()
