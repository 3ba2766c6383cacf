#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""daemon: play a host's daemon that decodes what clients send, and its clients.

    daemon.py TOOL IMAGE RAW DIR N JOBS

N clients, JOBS at a time, each send a PUT with Content-Length and IMAGE, keep the connection
open and wait for the answer. The daemon reads the head, hands the socket to TOOL stream_decode
as standard input, waits for its end, and answers 200 or 500. Says what went wrong: an answer
that is not 200, a disk that is not RAW, a process, a descriptor or a file that stayed; exit
status 1 then.
"""
import filecmp
import os
import socket
import subprocess
import sys
import threading
import time

tool, image, raw, place, total, jobs = sys.argv[1:5] + [int(w) for w in sys.argv[5:7]]
wrong = []


def head_of(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


def serve(connection, number):
    path = os.path.join(place, f"disk{number}")
    head = head_of(connection)
    if f"PUT /disk{number} ".encode() not in head:
        wrong.append(f"{number}: the head is {head!r}")
    done = subprocess.run([tool, "stream_decode", path], stdin=connection.fileno(),
                          stderr=subprocess.PIPE, check=False, timeout=60)
    status = b"200 OK" if done.returncode == 0 else b"500 Failed"
    connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    if done.returncode:
        wrong.append(f"{number}: {done.stderr.decode()}")
    connection.close()


def client(address, data, number):
    with socket.create_connection(address) as s:
        s.settimeout(90)
        s.sendall(f"PUT /disk{number} HTTP/1.1\r\nHost: here\r\n"
                  f"Content-Length: {len(data)}\r\n\r\n".encode())
        s.sendall(data)
        answer = s.recv(100)
    if b" 200 " not in answer:
        wrong.append(f"{number}: the answer is {answer!r}")


def one(listener, data, number, accepting):
    with accepting:  # so that a number is its own connection's
        c = threading.Thread(target=client, args=(listener.getsockname(), data, number))
        c.start()
        connection, _ = listener.accept()
    serve(connection, number)
    c.join()
    path = os.path.join(place, f"disk{number}")
    if not os.path.exists(path) or not filecmp.cmp(path, raw, shallow=False):
        wrong.append(f"{number}: the disk is not as it must be")
    if os.path.exists(path):
        os.unlink(path)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def main():
    with open(image, "rb") as f:
        data = f.read()
    listener = socket.create_server(("127.0.0.1", 0), backlog=jobs + 1)
    accepting, numbers, lock = threading.Lock(), iter(range(total)), threading.Lock()
    before = open_descriptors()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None or len(wrong) > 5:
                return
            try:
                one(listener, data, number, accepting)
            except Exception as e:  # a wedge is a finding, too
                wrong.append(f"{number}: {e!r}")

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    time.sleep(0.1)
    if open_descriptors() != before:
        wrong.append(f"{before} descriptors were open, and {open_descriptors()} are")
    for left in os.listdir(place):
        wrong.append(f"{left} is left")
    try:
        os.waitpid(-1, os.WNOHANG)
        wrong.append("a process is left")
    except ChildProcessError:
        pass
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main()
