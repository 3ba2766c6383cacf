#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""proxy: an HTTP proxy, honest or not.

    proxy.py [--auth USER:PASS [--digest]] [--log LOG] [--control FILE]

Prints its port, serves until SIGTERM. It forwards requests with an absolute URL, a connection
for each, and makes tunnels (CONNECT). With --auth everything else is answered with 407,
which asks for Basic, or with --digest for Digest. With
--log a line of JSON a request: method, url, headers, status. The control file, read anew at each
request:

    status N    that answer to everything
    page        200 and a page of its own to everything, a tunnel too
"""
import argparse, asyncio, base64, hashlib, json, re, signal, os

from urllib.parse import urlsplit


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Proxy:
    def __init__(self, args):
        self.args, self.tasks = args, set()
        self.auth = args.auth and "Basic " + base64.b64encode(args.auth.encode()).decode()

    def control(self):
        try:
            with open(self.args.control or os.devnull) as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def verdict(self, method, headers):
        said = self.control()
        if said[:1] == ["status"]:
            return int(said[1])
        said = headers.get("proxy-authorization", "")
        if self.auth and not (self.digest(method, said) if self.args.digest else said == self.auth):
            return 407
        return 200

    def digest(self, method, said):
        """Is it the answer to our question (RFC 7616, MD5, qop auth)?"""
        def md5(*words):
            return hashlib.md5(":".join(words).encode()).hexdigest()
        v = {n: q or w for n, q, w in re.findall(r'(\w+)=(?:"([^"]*)"|([^ ,]+))', said)}
        user, _, password = self.args.auth.partition(":")
        if not said.startswith("Digest ") or v.get("nonce") != "n0nce" or v["username"] != user:
            return False
        return v["response"] == md5(md5(user, "p", password), v["nonce"], v["nc"], v["cnonce"],
                                    v["qop"], md5(method, v["uri"]))

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())  # nobody else keeps it
        try:
            await self.request(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.tasks.discard(asyncio.current_task())

    async def request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, url, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        status = self.verdict(method, headers)
        if self.args.log:
            with open(self.args.log, "a") as f:
                f.write(json.dumps({"method": method, "url": url, "headers": headers,
                                    "status": status}) + "\n")
        if status != 200 or self.control() == ["page"]:
            page = b"<html>this is the proxy</html>"
            wants = b'Digest realm="p", nonce="n0nce", qop="auth"' if self.args.digest \
                else b'Basic realm="p"'
            more = b"Proxy-Authenticate: %s\r\n" % wants if status == 407 else b""
            writer.write(b"HTTP/1.1 %d The proxy\r\nContent-Type: text/html\r\n"
                         b"Content-Length: %d\r\nConnection: close\r\n%s\r\n%s"
                         % (status, len(page), more, page))
            return await writer.drain()
        if method == "CONNECT":
            host, _, port = url.rpartition(":")
            up_reader, up_writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            to = urlsplit(url)
            up_reader, up_writer = await asyncio.open_connection(to.hostname, to.port or 80)
            own = ("proxy-authorization:", "proxy-connection:", "connection:")
            kept = [h for h in head[1:] if not h.lower().startswith(own)]
            path = (to.path or "/") + ("?" + to.query if to.query else "")
            up_writer.write("\r\n".join([method + " " + path + " HTTP/1.1", *kept,
                                         "Connection: close", "", ""]).encode("latin-1"))
            await asyncio.gather(pump(up_reader, writer))
            return
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    async def run(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--auth")
    p.add_argument("--digest", action="store_true")
    p.add_argument("--log")
    p.add_argument("--control")
    asyncio.run(Proxy(p.parse_args()).run())


if __name__ == "__main__":
    main()
