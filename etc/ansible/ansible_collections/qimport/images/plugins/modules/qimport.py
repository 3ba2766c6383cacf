#!/usr/bin/python
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# qimport.images.qimport: a disk image is on its target.  The library does the work and decides
# what there is to do; what would be done is foreseen here, for check mode, without touching
# anything.
from __future__ import annotations

DOCUMENTATION = r"""
module: qimport
short_description: A disk image is on its target
description:
  - Imports a qcow2 or raw image, also one that is compressed as a whole, from a web server onto a
    file, a block device or an NBD export, as C(qimport ensure) does.
  - What is complete is left alone, what was interrupted goes on from the last committed cluster.
    A file appears under its name only when it is whole and durable.
  - Options have the names and the values of those of qimport(1). An option that the libqimport of
    the host does not know is refused.
requirements:
  - python3-qimport on the host
attributes:
  check_mode:
    support: full
    description: Reads the journal, the target's metadata and the image's, and writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
extends_documentation_fragment:
  - ansible.builtin.files
  - ansible.builtin.action_common_attributes
options:
  url:
    description:
      - Where the image is, http, https, file or a path on the host.
      - Give secrets in files (I(header_file), I(bearer_file), I(user_file), I(netrc_file)) rather
        than in the URL, which Ansible shows and logs.
    type: str
    required: true
  dest:
    description: The file to make, a block device, or an NBD URI.
    type: path
    required: true
    aliases: [target]
  checksum:
    description: What the image file's checksum must be, ALGORITHM:HEX.
    type: str
  checksums:
    description: A file of checksums, a URL or on the host, to take it from.
    type: str
  signed_by:
    description: A keyring on the host; the file of checksums, or the image, must be signed by one
      of its keys.
    type: path
  signature:
    description: Where the signature is, if not beside what is signed.
    type: str
  newer:
    description:
      - Ask whether the image at the URL is another one now, and if so import it again.
      - In check mode the server's validators alone are compared.
    type: bool
    default: false
  backing:
    description: The images of the backing files, top down.
    type: list
    elements: str
  snapshot:
    description: Import that internal snapshot.
    type: str
  format:
    description: What the image is, where its first bytes do not tell.
    type: str
    choices: [auto, qcow2, raw]
  keep_format:
    description: The target is the qcow2 file itself.
    type: bool
  size:
    description: A file target is at least this large.
    type: str
  fix_gpt:
    description: Move the backup GPT to the end of the larger target.
    type: bool
  unallocated:
    description: What the target reads as where the image has nothing.
    type: str
    choices: [zero, keep]
  target_is_zero:
    description: You promise that the device reads as zeros.
    type: bool
  preallocate:
    description: Reserve the space of a file target first.
    type: bool
  verify:
    description: Read it all again before it is called complete.
    type: bool
  force:
    description: Overwrite an existing file, or a device that holds data, where there is no import
      of it yet.
    type: bool
    default: false
  limit_rate:
    description: Bytes per second, with suffixes K, M, G.
    type: str
  connections:
    description: Ranges in flight.
    type: int
  memory:
    description: Ceiling for buffers, with suffixes K, M, G.
    type: str
  retry_time:
    description: Give up after this long without a new byte; seconds, or with suffixes s, m, h, d.
    type: str
  max_time:
    description: Stop after this long; the next run goes on.
    type: str
  mirror:
    description: Other places that serve the same bytes.
    type: list
    elements: str
  header_file:
    description: A file on the host with headers for the requests.
    type: path
  bearer_file:
    description: A file on the host with a bearer token.
    type: path
  user_file:
    description: A file on the host with user:password.
    type: path
  netrc_file:
    description: A netrc file on the host.
    type: path
  cacert:
    description: Certificate authorities to trust, a file on the host.
    type: path
  proxy:
    description: Go through this proxy.
    type: str
  options:
    description: Any other option of qimport(1), by its name with underscores.
    type: dict
    default: {}
  journal:
    description: The journal, where it is not the host's own.
    type: path
notes:
  - I(owner), I(group) and I(mode) are of file targets. While the import runs its part file has the
    mode that the umask gives.
  - A failure has I(rc), the exit status of qimport(1), and I(code). With 3 and 7 another try may
    help; the others do not mend themselves.
  - For imports that take long, C(async) and C(poll) do what they do for any module; a connection
    that breaks costs nothing, the next run goes on.
seealso:
  - name: qimport(1)
    description: What every option does.
    link: https://qimport.invalid/
author: qimport maintainers (!qimport)
"""

EXAMPLES = r"""
- name: A published image, as its publisher signed it
  qimport.images.qimport:
    url: https://images.example.org/base.qcow2
    dest: /var/lib/libvirt/images/base.img
    checksums: https://images.example.org/SHA256SUMS
    signed_by: /etc/qimport/publisher.asc
    owner: libvirt-qemu
    mode: "0640"

- name: Onto a volume, tried again while the network is away
  qimport.images.qimport:
    url: https://images.example.org/guest.qcow2
    dest: /dev/vg0/guest
    checksum: sha256:0123...
  register: guest
  until: guest is succeeded or guest.rc not in [3, 7]
  retries: 10
  delay: 60

- name: Whatever is published today
  qimport.images.qimport:
    url: https://images.example.org/daily.qcow2
    dest: /srv/images/daily.img
    newer: true
    options:
      retry_time: 10m
      accept_new_validator: true
"""

RETURN = r"""
import:
  description: The object of C(qimport status --json); empty in check mode where there is none yet.
  returned: when there is an import
  type: dict
  sample: {"id": "44defdae-...", "state": "complete", "virtual_size": 10737418240}
rc:
  description: The exit status of qimport(1).
  returned: always
  type: int
code:
  description: A word for what failed; troubleshooting.md of qimport lists them.
  returned: failure
  type: str
  sample: source-not-found
"""

import os
import stat
import traceback
from urllib.parse import urlsplit, urlunsplit

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import qimport
except ImportError:
    qimport = None
    WHY_NOT = traceback.format_exc()

# Parameters that are options of the library, as they are.
TEXT = "checksum checksums signature snapshot size limit_rate memory retry_time max_time proxy"
PATHS = "signed_by header_file bearer_file user_file netrc_file cacert"
SWITCHES = "keep_format fix_gpt target_is_zero preallocate verify"
OPTIONS = {
    **{name: dict(type="str") for name in TEXT.split()},
    **{name: dict(type="path") for name in PATHS.split()},
    **{name: dict(type="bool") for name in SWITCHES.split()},
    "newer": dict(type="bool", default=False),
    "force": dict(type="bool", default=False),
    "backing": dict(type="list", elements="str"),
    "mirror": dict(type="list", elements="str"),
    "connections": dict(type="int"),
    "format": dict(type="str", choices=["auto", "qcow2", "raw"]),
    "unallocated": dict(type="str", choices=["zero", "keep"]),
}
SPEC = dict(
    OPTIONS,
    url=dict(type="str", required=True),
    dest=dict(type="path", required=True, aliases=["target"]),
    options=dict(type="dict", default={}),
    journal=dict(type="path"),
)


class Refused(Exception):
    """What qimport would refuse, foreseen; as its errors are."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def chosen_options(params):
    """What was given, as keyword arguments; Refused for what this libqimport does not know."""
    known = {row.name: row for row in qimport.options()}
    chosen = {}
    for name in OPTIONS:
        if params[name] not in (None, False):
            chosen[name] = params[name]
    for name, value in params["options"].items():
        name = name.replace("-", "_")
        if name in known and known[name].argument is None:
            value = str(value).lower() in ("true", "yes", "on", "1")
        elif isinstance(value, bool):
            value = "on" if value else "off"
        chosen[name] = value
    for name in sorted(set(chosen) - set(known)):
        raise Refused(
            2, "usage", f"{name}: libqimport {qimport.__version__} of this host has no such option"
        )
    return chosen


def status_of(journal, dest):
    """The object of status --json, or None where there is no import of DEST."""
    try:
        return journal.status_document(dest)
    except qimport.JournalError as why:
        if why.code != "no-such-import":
            raise
        return None


def read_status(path, dest):
    """The same, of a journal that need not be there."""
    try:
        with qimport.Journal(path, read_only=True) as journal:
            return status_of(journal, dest)
    except qimport.JournalError as why:
        if why.code != "no-journal":
            raise
        return None


def is_file(dest):
    """A file target, there or not."""
    if "://" in dest:
        return False
    try:
        return stat.S_ISREG(os.stat(dest).st_mode)
    except OSError:
        return True


# ---- check mode


def without_secrets(url):
    """URL as the journal keeps it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def image_now(url, options):
    """What the image at URL is, or {} where that cannot be told without fetching it: of a
    wrapped one, and from a server without ranges."""
    asked = {row.name for row in qimport.options() if qimport.Command.INFO in row.commands}
    try:
        now = qimport.info(url, **{k: v for k, v in options.items() if k in asked})
    except qimport.Error as why:
        if why.code in ("source-failed", "image-unsupported"):
            return {}
        raise
    if not now["importable"]:
        raise Refused(5, "image-unsupported", now["reason"])
    return now


def is_another(known, now):
    """Is the image NOW another one than what was imported?"""
    then = known["image"]
    for key, recorded in (("etag", then["etag"]), ("last-modified", then["last_modified"])):
        if now.get(key) and recorded:
            return now[key] != recorded
    return False


def is_there(known, dest):
    if "://" in dest:
        return True
    try:
        found = os.stat(dest)
    except OSError:
        return False
    return not stat.S_ISREG(found.st_mode) or found.st_size >= known["virtual_size"] > 0


def check_complete(known, url, options):
    """Refused, for what ensure would refuse over a complete import; else whether it would do
    anything."""
    if without_secrets(url) != known["url"]:
        raise Refused(
            6,
            "target-exists",
            f"{known['target']}: was imported from {known['url']}; give another dest, or forget "
            "that import first",
        )
    have, want = known["image"].get("checksum"), options.get("checksum")
    same_algorithm = have and want and have.partition(":")[0] == want.partition(":")[0]
    if same_algorithm and have.lower() != want.lower():
        if not options.get("newer"):
            raise Refused(
                4,
                "checksum-differs",
                f"{known['target']}: the image that was imported has the checksum {have}, not "
                f"{want}; newer imports the one that is there now",
            )
        return True
    return bool(options.get("newer")) and is_another(known, image_now(url, options))


def foresee(known, url, dest, options):
    """Whether ensure would change anything, and what would be there then."""
    if known and known["state"] == "complete" and is_there(known, dest):
        changed = check_complete(known, url, options)
        if not changed:
            return False, known
    elif not known and "://" not in dest and is_file(dest) and os.path.exists(dest):
        if not options.get("force"):
            raise Refused(6, "target-exists", f"{dest}: is there already; force overwrites it")
    now = image_now(url, options)
    return True, {
        "state": "complete",
        "url": without_secrets(url),
        "target": dest,
        "virtual_size": now.get("actual-size" if options.get("keep_format") else "virtual-size"),
        "image": {"etag": now.get("etag"), "last_modified": now.get("last-modified")},
    }


# ---- the work


def ensure(module, url, dest, options):
    """Brings it there; whether that changed anything, and what is there."""
    with qimport.Journal(module.params["journal"]) as journal:
        before = status_of(journal, dest)
        with journal.ensure(url, dest, **options) as job:
            try:
                job.run(interval=5)
            finally:
                for line in job.warnings:
                    module.warn(line.partition("warning: ")[2] or line)
        after = status_of(journal, dest)
    marks = ("id", "attempts", "finished_at")
    changed = before is None or any(before[mark] != after[mark] for mark in marks)
    return changed, after


def in_diff(known):
    """Of an import what a person compares."""
    if known is None:
        return {}
    image = known.get("image") or {}
    shown = {name: known.get(name) for name in ("state", "url", "target", "virtual_size")}
    shown.update({name: image.get(name) for name in ("etag", "last_modified", "checksum")})
    return {name: value for name, value in shown.items() if value is not None}


def attributes(module, dest, changed, diff):
    """Owner, group and mode of a file target; whether anything changed by now."""
    if not is_file(dest):
        return changed
    if module.check_mode and not os.path.exists(dest):
        return changed
    given = module.load_file_common_arguments(module.params, path=dest)
    return module.set_fs_attributes_if_different(given, changed, diff)


def run(module):
    url, dest = module.params["url"], module.params["dest"]
    if "://" not in dest and not os.path.isabs(dest):
        raise Refused(2, "usage", f"{dest}: give an absolute path")
    if not is_file(dest) and any(module.params[name] for name in ("owner", "group", "mode")):
        raise Refused(2, "usage", f"{dest}: owner, group and mode are of file targets")
    options = chosen_options(module.params)
    before = read_status(module.params["journal"], dest)
    if module.check_mode:
        changed, after = foresee(before, url, dest, options)
    else:
        changed, after = ensure(module, url, dest, options)
    diff = {"before": in_diff(before), "after": in_diff(after)}
    of_file = {"before": {}, "after": {}}
    changed = attributes(module, dest, changed, of_file)
    for side in ("before", "after"):
        diff[side].update({k: v for k, v in of_file[side].items() if k != "path"})
    found = before if module.check_mode else after
    module.exit_json(
        changed=changed, rc=0, dest=dest, diff=diff, **({"import": found} if found else {})
    )


def main():
    module = AnsibleModule(
        argument_spec=SPEC, add_file_common_args=True, supports_check_mode=True
    )
    if qimport is None:
        module.fail_json(msg=missing_required_lib("qimport"), exception=WHY_NOT)
    try:
        run(module)
    except (qimport.Error, Refused) as why:
        module.fail_json(msg=why.message, rc=int(why.status), code=why.code)
    except (TypeError, ValueError) as why:
        module.fail_json(msg=str(why), rc=2, code="usage")


if __name__ == "__main__":
    main()
