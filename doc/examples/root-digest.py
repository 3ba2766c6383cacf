#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The root digest of a raw disk, computed by nothing but the standard library.

    root-digest.py DISK [SIZE]

DISK is a file or a block device; SIZE, in bytes, is the virtual size of the import, where the
device is larger than that.  Prints the digest in hexadecimal.  It depends on the bytes alone:

    leaf   SHA-256 (0x00 || bytes)            of each MiB in turn, the last one of what is left
    node   SHA-256 (0x01 || left || right)    pairs of a level make the next one; an odd one at
                                              the end goes up as it is
"""
import hashlib
import sys

LEAF = 1 << 20


def leaf(data):
    return hashlib.sha256(b"\0" + data).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def leaves(disk, size):
    zero = bytes(LEAF)
    zero_leaf = leaf(zero)
    left = size
    while left is None or left > 0:
        data = disk.read(LEAF if left is None else min(LEAF, left))
        if not data:
            break
        if left is not None:
            left -= len(data)
        yield zero_leaf if data == zero else leaf(data)
    if left:
        sys.exit("root-digest.py: the disk is %d bytes shorter than %d" % (left, size))


def root(digests):
    # One whole subtree a level waits for its neighbour, so that memory does not grow.
    waiting = []
    for digest in digests:
        level = 0
        while level < len(waiting) and waiting[level] is not None:
            digest = node(waiting[level], digest)
            waiting[level] = None
            level += 1
        if level == len(waiting):
            waiting.append(None)
        waiting[level] = digest
    result = None
    for digest in waiting:
        if digest is not None:
            result = digest if result is None else node(digest, result)
    return hashlib.sha256().digest() if result is None else result


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    size = int(sys.argv[2]) if len(sys.argv) == 3 else None
    with open(sys.argv[1], "rb", buffering=LEAF) as disk:
        print(root(leaves(disk, size)).hex())


if __name__ == "__main__":
    main()
