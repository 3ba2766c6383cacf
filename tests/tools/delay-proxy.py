#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""delay-proxy: a TCP proxy that makes a link of a given delay and rate.

    delay-proxy.py PORT [--ms 50] [--rate 20000000]

Forwards to 127.0.0.1:PORT; prints its own port. Every byte is MS late in either direction, RATE is
of each connection's answers, in bytes a second. Connecting costs a round trip too. On SIGTERM it
ends; on SIGUSR1 it prints how many connections it has had.
"""
import argparse, asyncio, os, signal, time

PIECE = 65536


class Link:
    def __init__(self, args):
        self.args, self.connections = args, 0

    async def forward(self, reader, writer, rate):
        """Read as fast as the link goes, write what has been under way long enough."""
        queue = asyncio.Queue(maxsize=max(4, int(rate * self.args.ms / 1000 / 16384) * 2 + 4)) \
            if rate else asyncio.Queue()
        drain = asyncio.create_task(self.drain(queue, writer))
        free = time.monotonic()
        while data := await reader.read(PIECE):
            now = time.monotonic()
            if rate:
                # a sleep that was too long is made up for
                free = max(free, now - 0.05) + len(data) / rate
                if free - now > 0.005:
                    await asyncio.sleep(free - now)
            await queue.put((max(free, now) + self.args.ms / 1000, data))
        await queue.put((time.monotonic() + self.args.ms / 1000, b""))
        await drain

    async def drain(self, queue, writer):
        while True:
            due, data = await queue.get()
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    async def serve(self, reader, writer):
        self.connections += 1
        await asyncio.sleep(2 * self.args.ms / 1000)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.args.port)
        await asyncio.gather(self.forward(reader, up_writer, 0),
                             self.forward(up_reader, writer, self.args.rate),
                             return_exceptions=True)
        for w in (writer, up_writer):
            w.close()

    async def run(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=PIECE, backlog=128)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
        loop.add_signal_handler(signal.SIGUSR1, lambda: print(self.connections, flush=True))
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("port", type=int)
    p.add_argument("--ms", type=float, default=50)
    p.add_argument("--rate", type=float, default=20e6)
    asyncio.run(Link(p.parse_args()).run())


if __name__ == "__main__":
    main()
