#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""h2-meddler: stands between a client and a server that speak HTTP/2, and disturbs them.

    h2-meddler.py PORT --tls CERT KEY [--log LOG] [--control FILE]

Prints its port, serves until SIGTERM. Forwards TLS to 127.0.0.1:PORT (TLS too), frame by frame
where the client chose HTTP/2, byte by byte where it did not. Of the streams, counted over all
connections from when the control file was written, it does what that file says, a line each:

    refuse N     stream N is refused (RST_STREAM, REFUSED_STREAM) before anything is answered
    reset N      stream N breaks off in its body (INTERNAL_ERROR)
    downgrade    every stream is refused with HTTP_1_1_REQUIRED
    goaway N     with stream N comes GOAWAY: it and later ones of the connection are not answered
    cut N        with stream N the connection is closed

--log gets a line a connection: h2 or http/1.1. What the client asked is forwarded even where it
is refused, and the answer swallowed: so both sides agree on the state of their headers.
"""
import argparse, asyncio, os, signal, ssl

DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
INTERNAL_ERROR, REFUSED_STREAM, HTTP_1_1_REQUIRED = 2, 7, 13


def frame(kind, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big")
            + payload)


class Meddler:
    def __init__(self, args):
        self.args, self.count, self.stamp, self.tasks = args, 0, None, set()
        self.server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_tls.load_cert_chain(*args.tls)
        self.server_tls.set_alpn_protocols(["h2", "http/1.1"])

    def orders(self):
        """{what: number} of the control file; a new one starts the count."""
        try:
            with open(self.args.control or os.devnull) as f:
                stamp = os.fstat(f.fileno()).st_mtime_ns
                words = [line.split() for line in f]
        except FileNotFoundError:
            return {}
        if stamp != self.stamp:
            self.stamp, self.count = stamp, 0
        return {w[0]: int(w[1]) if len(w) > 1 else 0 for w in words if w}

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())  # nobody else keeps it
        spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol() or "http/1.1"
        if self.args.log:
            with open(self.args.log, "a") as f:
                f.write(spoken + "\n")
        up_tls = ssl.create_default_context()
        up_tls.check_hostname, up_tls.verify_mode = False, ssl.CERT_NONE
        up_tls.set_alpn_protocols([spoken])
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.args.port,
                                                             ssl=up_tls)
        link = Link(self, reader, writer, up_reader, up_writer)
        tasks = [link.up(), link.down()] if spoken == "h2" \
            else [link.pump(reader, up_writer), link.pump(up_reader, writer)]
        await asyncio.gather(*tasks, return_exceptions=True)
        for w in (writer, up_writer):
            w.close()
        self.tasks.discard(asyncio.current_task())

    async def run(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.server_tls)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        loop.set_exception_handler(lambda *_: None)  # what breaks is meant to
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


class Link:
    """One connection of HTTP/2."""

    def __init__(self, meddler, reader, writer, up_reader, up_writer):
        self.meddler = meddler
        self.reader, self.writer = reader, writer
        self.up_reader, self.up_writer = up_reader, up_writer
        self.swallowed, self.to_reset, self.last = set(), set(), 1 << 31

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def read_frame(self, reader):
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        return head[3], int.from_bytes(head[5:9], "big") & 0x7fffffff, head + payload

    async def up(self):
        """Requests."""
        try:
            self.up_writer.write(await self.reader.readexactly(24))
            while True:
                kind, stream, whole = await self.read_frame(self.reader)
                self.up_writer.write(whole)
                if kind == HEADERS:
                    self.meddle(stream)
                await self.up_writer.drain()
        finally:
            self.up_writer.close()

    def refuse(self, stream, code):
        self.swallowed.add(stream)
        self.writer.write(frame(RST_STREAM, stream, code.to_bytes(4, "big")))

    def meddle(self, stream):
        m, orders = self.meddler, self.meddler.orders()
        m.count += 1
        if "downgrade" in orders:
            self.refuse(stream, HTTP_1_1_REQUIRED)
        elif orders.get("refuse") == m.count:
            self.refuse(stream, REFUSED_STREAM)
        elif orders.get("reset") == m.count:
            self.to_reset.add(stream)
        elif orders.get("cut") == m.count:
            self.writer.transport.abort()
        elif orders.get("goaway") == m.count and stream < self.last:
            self.last = max(stream - 2, 0)
            self.writer.write(frame(GOAWAY, 0, self.last.to_bytes(4, "big") + bytes(4)))

    async def down(self):
        """Answers."""
        try:
            while True:
                kind, stream, whole = await self.read_frame(self.up_reader)
                if stream in self.swallowed or stream > self.last:
                    continue
                if kind == DATA and stream in self.to_reset:
                    self.writer.write(frame(DATA, stream, whole[9:9 + len(whole) // 2]))
                    self.refuse(stream, INTERNAL_ERROR)
                else:
                    self.writer.write(whole)
                await self.writer.drain()
        finally:
            self.writer.close()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("port", type=int)
    p.add_argument("--tls", nargs=2, required=True, metavar=("CERT", "KEY"))
    p.add_argument("--log")
    p.add_argument("--control")
    asyncio.run(Meddler(p.parse_args()).run())


if __name__ == "__main__":
    main()
