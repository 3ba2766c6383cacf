#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type lines at the prompt of an interactive shell, and tell what became of them.

    at-prompt.py SETUP SHELL... <LINES

Each line of standard input is typed, then TAB; what the shell has made of the line is told as it
would pass it on: <word><word>...  SETUP is a file of the shell's own language, sourced first.
The shell runs on a terminal of its own, 80 columns wide.
"""
import os
import pty
import re
import signal
import sys

SHOW = "show () { printf '<%s>' \"$@\"; printf '\\nthat was all\\n'; }"


def read_until(fd, mark, text=""):
    """Everything up to MARK, which is at the end of a line."""
    while not re.search(mark + "\r?\n", text):
        more = os.read(fd, 65536)
        if not more:
            break
        text += more.decode(errors="replace")
    return text


def completed(fd, line):
    # What is typed while a completion is being made waits in the terminal.
    os.write(fd, (line + "\t\x01show \r").encode())
    text = read_until(fd, "that was all")
    found = re.findall(r"^\r?(<.*>)\r?\n", text, re.MULTILINE)
    return found[-1] if found else "nothing: " + repr(text)


def main():
    setup, shell = sys.argv[1], sys.argv[2:]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.environ["PS1"] = "$ "
        os.execvp(shell[0], shell)
    signal.alarm(60)
    os.write(fd, (". %s\r%s\rprintf 'rea%%s\\n' dy\r" % (setup, SHOW)).encode())
    read_until(fd, "ready")
    for line in sys.stdin:
        print(completed(fd, line.rstrip("\n")), flush=True)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
