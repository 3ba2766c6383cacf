#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""map-same: do two maps, as `qemu-img map --output=json` prints them, say the same?

    map-same.py OURS THEIRS

Compared are start, length, depth, present, zero, data and offset, after neighbours that are
alike were merged.  "compressed" is left out: older versions of qemu-img do not have it; so is
the offset of what is not present (subclusters that nothing wrote yet), and "zero" of data: qemu-img looks for holes of the image's file there, which no server tells of.
"""
import json
import sys



def entries(path):
    out = []
    for e in json.load(open(path, encoding="ascii")):
        kind = (e["depth"], e["present"], e["data"] or not e["zero"])
        offset = e.get("offset") if e["present"] else None
        last = out[-1] if out else None
        if last and last[2] == kind and last[0] + last[1] == e["start"] and (
                offset is None and last[3] is None
                or None not in (offset, last[3]) and last[3] + last[1] == offset):
            last[1] += e["length"]
        else:
            out.append([e["start"], e["length"], kind, offset])
    return out


def main():
    ours, theirs = entries(sys.argv[1]), entries(sys.argv[2])
    for mine, other in zip(ours, theirs):
        if mine != other:
            sys.exit(f"map-same: {mine} is not {other}")
    if len(ours) != len(theirs):
        sys.exit(f"map-same: {len(ours)} entries are not {len(theirs)}")


if __name__ == "__main__":
    main()
