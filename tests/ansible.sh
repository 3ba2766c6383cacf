#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Ansible module against nginx, by playbooks as an administrator writes them: what is there is
# left alone, what would be done is told before, and a failure says what to do.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

needs_shared_library
image deflate 64K
serve
sha256=$(sha256sum "$image" | cut -d' ' -f1)
www=$scratch/www
mkdir "$www"
cp "$image" "$www/disk.qcow2"
serve_stop
serve_start "$scratch/nginx" "$www" || bail "nginx does not start"
url=$serve_url/disk.qcow2
dest=$scratch/disk.img

cd "$scratch" || exit 99
ANSIBLE_COLLECTIONS_PATH=$top_srcdir/etc/ansible ANSIBLE_LOCALHOST_WARNING=false
ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_NOCOLOR=1 ANSIBLE_LOCAL_TEMP=$scratch/ansible
ANSIBLE_REMOTE_TEMP=$scratch/ansible ANSIBLE_STDOUT_CALLBACK=last_result ANSIBLE_DEPRECATION_WARNINGS=false
ANSIBLE_PIPELINING=1 ANSIBLE_CALLBACK_PLUGINS=$scratch/callback
PYTHONPATH=$top_srcdir/python PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
export ANSIBLE_COLLECTIONS_PATH ANSIBLE_LOCALHOST_WARNING ANSIBLE_INVENTORY_UNPARSED_WARNING ANSIBLE_NOCOLOR
export ANSIBLE_LOCAL_TEMP ANSIBLE_REMOTE_TEMP ANSIBLE_STDOUT_CALLBACK ANSIBLE_DEPRECATION_WARNINGS
export ANSIBLE_PIPELINING ANSIBLE_CALLBACK_PLUGINS PYTHONPATH PYTHONDONTWRITEBYTECODE LC_ALL

printf '#!/bin/sh\nLD_PRELOAD=%s exec python3 "$@"\n' "$preload" >interpreter
chmod +x interpreter
# Prints the result of each task as a line of JSON.
mkdir callback
cat >callback/last_result.py <<'END'
import json
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "last_result"
    def v2_runner_on_ok(self, result):
        print(json.dumps(result._result))
    def v2_runner_on_failed(self, result, ignore_errors=False):
        print(json.dumps(result._result))
END

# task [--check] PARAMETER...: one more of the module with them, as "name: value"
tasks=0
task () {
  [ $tasks -gt 0 ] ||
    printf -- '- hosts: localhost\n  gather_facts: false\n  connection: local\n  tasks:\n' >play.yml
  tasks=$((tasks + 1))
  printf '    - ignore_errors: true\n      vars: { ansible_python_interpreter: %s }\n' \
    "$scratch/interpreter" >>play.yml
  [ "$1" != --check ] || { printf '      check_mode: true\n' >>play.yml; shift; }
  printf '      qimport.images.qimport:\n        journal: %s\n' "$QIMPORT_JOURNAL" >>play.yml
  printf '        %s\n' "$@" >>play.yml
}
# Runs them; then result takes them in turn: $it is the next one's outcome, rc:changed, and more of
# it what is asked for with JQ.
play () {
  ansible-playbook --diff -i localhost, play.yml >played 2>played.err
  [ "$(wc -l <played)" = $tasks ] || cat played played.err >&2
  tasks=0
  at=0
}
result () { sed -n "${at}p" played | jq -r "$1"; }
next () {
  at=$((at + 1))
  it=$(result "\"\(.rc):\(.changed)${1:+:\($1)}\"")
}

# ---- the documentation

run ansible-doc -t module --json qimport.images.qimport
exits 0 "ansible-doc reads the module's documentation"
./interpreter - "$scratch/out" "$top_srcdir" >"$scratch/differs" 2>&1 <<'END'
import importlib.util, json, sys
path = sys.argv[2] + "/etc/ansible/ansible_collections/qimport/images/plugins/modules/qimport.py"
sys.path.append("/usr/lib/python3/dist-packages")
source = open(path).read().replace("from ansible.module_utils.basic import", "from _stub import")
class Stub:
    AnsibleModule = missing_required_lib = None
sys.modules["_stub"] = Stub
names = {"__name__": "module"}
exec(compile(source, path, "exec"), names)
told = json.load(open(sys.argv[1]))["qimport.images.qimport"]["doc"]["options"]
of_files = {"owner", "group", "mode", "seuser", "serole", "setype", "selevel", "unsafe_writes", "attributes"}
spec = names["SPEC"]
assert set(told) - of_files == set(spec), set(told) ^ set(spec) ^ of_files
for name, row in spec.items():
    for key in ("type", "default", "choices", "elements", "required", "aliases"):
        assert told[name].get(key) == row.get(key), (name, key, told[name].get(key), row.get(key))
END
is "$(cat "$scratch/differs")" "" "and it has every option as the module takes it"

# ---- there, and still there

sum="checksum: sha256:$sha256"
task --check "url: $url" "dest: $dest" "$sum" 'mode: "0640"'
play
next .diff.after.virtual_size
is "$it" "0:true:$(size_of "$expected")" "check mode foresees an import, and the diff shows what would be there"
check "nothing is written" [ ! -e "$dest" ]
check "not even a journal" [ ! -e "$QIMPORT_JOURNAL" ]
task "url: $url" "dest: $dest" "$sum" 'mode: "0640"'
play
next '[.import.state, .diff.before.state, .diff.after.state] | join(" ")'
is "$it" "0:true:complete  complete" "the image is brought to its target, and the diff tells"
assert_identical "$dest" "$expected" "the disk is right"
is "$(stat -c %a "$dest")" 640 "with the mode that was asked for"
was=$(stat -c '%i %y' "$dest")
task "url: $url" "dest: $dest" "$sum" 'mode: "0640"'
task --check "url: $url" "dest: $dest" "$sum" 'mode: "0640"'
task --check "url: $url" "dest: $dest" 'mode: "0600"'
task "url: $url" "dest: $dest" 'mode: "0600"'
task "url: $url" "dest: $dest" "newer: true"
play
next '.diff.before == .diff.after'
is "$it" 0:false:true "the second run changes nothing, and has no diff"
next
is "$it" 0:false "check mode says so too"
next .diff.after.mode
is "$it" 0:true:0600 "check mode foresees another mode"
next
is "$it:$(stat -c %a "$dest")" 0:true:600 "which alone is a change"
next
is "$it" 0:false "newer changes nothing while the image is the same"
is "$(stat -c '%i %y' "$dest")" "$was" "the target was not touched by all that"

# ---- another image at the same place

qemu-io -c 'write -P 7 1M 64k' "$www/disk.qcow2" >/dev/null
task "url: $url" "dest: $dest"
task --check "url: $url" "dest: $dest" "newer: true"
task "url: $url" "dest: $dest" "newer: true"
task "url: $url" "dest: $dest" "newer: true"
play
next
is "$it" 0:false "a newer image changes nothing where it is not asked for"
next
is "$it" 0:true "check mode foresees it"
next
is "$it" 0:true "newer imports it"
next
is "$it" 0:false "once"
qemu-img convert -O raw "$www/disk.qcow2" new.raw
assert_identical "$dest" new.raw "and the disk is the new one"

# ---- what goes wrong

rm "$dest"
echo mine >other.img
for mode in "" --check; do
  task $mode "url: $serve_url/none" "dest: $dest.3"
  task $mode "url: $url" "dest: $scratch/other.img"
  task $mode "url: $url" "dest: $dest.4" "options: {no_such_option: 1}"
  task $mode "url: $url" "dest: disk.img"
done
task "url: $url" "dest: $dest.2" "$sum"
task --check "url: $url" "dest: $dest"
play
for mode in "in earnest" "check mode"; do
  next .code
  is "$it:$(result .msg | grep -c "$serve_url/none")" 4:false:source-not-found:1 \
    "$mode: what is not there fails, in the words of qimport"
  next .code
  is "$it" 6:false:target-exists "$mode: a file that is there is left alone"
  next .code
  is "$it" 2:false:usage "$mode: an option that the host's libqimport does not know is refused"
  next .code
  is "$it" 2:false:usage "$mode: so is a relative path"
done
next .code
is "$it" 4:false:checksum-differs "a wrong checksum fails, and says so"
next
is "$it" 0:true "a target that was removed would be imported again"
is "$(cat other.img)" mine "what was there is as it was"

# ---- interrupted, and options of all kinds

task "url: $url" "dest: $dest" "limit_rate: 1M" "max_time: 1" "options: {commit_interval: '0.1', digest: true}"
task --check "url: $url" "dest: $dest"
task "url: $url" "dest: $dest" "limit_rate: 0" "connections: 2" "verify: true" "mirror: [$url]"
play
next .code
is "$it" 3:false:max-time-reached "what is interrupted fails with 3, for until"
next .import.state
is "$it" 0:true:interrupted "check mode foresees that it goes on"
next .import.attempts
is "$it" 0:true:2 "the next run goes on with it"
assert_identical "$dest" new.raw "and the disk is right"

# ---- a delta on its backing file, wrapped, signed

qemu-img create -q -f qcow2 -b disk.qcow2 -F qcow2 "$www/delta.qcow2"
qemu-io -c 'write -P 9 2M 64k' "$www/delta.qcow2" >/dev/null
qemu-img convert -O raw "$www/delta.qcow2" delta.raw
gzip -c "$www/disk.qcow2" >"$www/disk.qcow2.gz"
(cd "$www" && sha256sum disk.qcow2 >SHA256SUMS)
mkdir -m 700 gnupg
export GNUPGHOME="$scratch/gnupg"
gpg -q --batch --passphrase '' --quick-generate-key publisher@example.invalid ed25519 sign never 2>/dev/null
gpg -q --export >publisher.gpg
gpg -q --batch --detach-sign -o "$www/SHA256SUMS.sig" "$www/SHA256SUMS"
gpgconf --kill all
delta="url: $serve_url/delta.qcow2"
task --check "$delta" "dest: $scratch/delta.img"
task "$delta" "dest: $scratch/delta.img" "backing: [$url]"
task --check "url: $url.gz" "dest: $scratch/wrapped.img"
task "url: $url.gz" "dest: $scratch/wrapped.img"
task "url: $url.gz" "dest: $scratch/wrapped.img"
for _ in first second; do
  task "url: $url" "dest: $scratch/signed.img" "checksums: $serve_url/SHA256SUMS" "signed_by: $scratch/publisher.gpg"
done
play
next .code
is "$it" 5:false:image-unsupported "check mode misses the backing file"
next
is "$it" 0:true "a delta is imported with its backing file"
assert_identical delta.img delta.raw "and the disk is right"
next
is "$it" 0:true "check mode takes a wrapped image as it comes"
next
is "$it" 0:true "and it is imported"
next
is "$it" 0:false "once"
next '.import.image.signed_by | length > 15'
is "$it" 0:true:true "a signed image tells its signer"
next
is "$it" 0:false "and is not imported again"

# ---- kept as it is, and larger

kept="dest: $scratch/kept.qcow2"
large="dest: $scratch/large.img"
task --check "url: $url" "$kept" "keep_format: true"
task "url: $url" "$kept" "keep_format: true"
task "url: $url" "$kept" "keep_format: true"
task "url: $url" "$large" "size: 96M" "fix_gpt: true"
task "url: $url" "$large" "size: 96M" "fix_gpt: true"
task --check "url: $url" "$large" "size: 96M" "fix_gpt: true"
play
next .diff.after.virtual_size
is "$it" "0:true:$(size_of "$www/disk.qcow2")" "check mode foresees a qcow2 that is kept"
next
is "$it" 0:true "it is kept"
assert_identical kept.qcow2 "$www/disk.qcow2" "byte for byte"
next
is "$it" 0:false "once"
next
is "$it:$(size_of large.img)" "0:true:$((96 << 20))" "a target is as large as was asked for"
next
is "$it" 0:false "once, too"
next
is "$it" 0:false "and check mode says so"

# ---- onto a device

if [ "$(id -u)" = 0 ] && command -v losetup >/dev/null &&
  truncate -s "$(size_of new.raw)" disk.dev && loop=$(losetup -f --show disk.dev 2>/dev/null); then
  task "url: $url" "dest: $loop"
  task "url: $url" "dest: $loop"
  task "url: $url" "dest: $loop" 'mode: "0600"'
  play
  losetup -d "$loop"
  next .import.target_kind
  is "$it" 0:true:block "a block device is a target"
  next
  is "$it" 0:false "once"
  next .code
  is "$it" 2:false:usage "whose mode is not ours"
else
  skip "a block device is a target" "there is no loop device"
fi
done_testing
