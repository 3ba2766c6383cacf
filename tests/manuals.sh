#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages are well-formed, say what the header and the journal have, and the examples of
# qimport(1) do what they look like: each is run as it is printed, with the names of an
# environment of its own.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"
doc=$top_srcdir/doc

# ---- their form

for page in qimport.1 libqimport.3 qimport-journal.5; do
  if command -v mandoc >/dev/null; then
    is "$(mandoc -Tlint "$doc/$page" 2>&1 | grep -v 'mandoc.db\|referenced manual not found')" "" \
      "mandoc has nothing to say about $page"
  else
    skip "mandoc has nothing to say about $page" "mandoc is not installed"
  fi
done

# ---- what they name

${CC:-cc} -E -P "$top_srcdir/include/qimport.h" | tr '\n' ' ' |
  grep -o '\bqimport_[a-z0-9_]* (' | tr -d ' (' | sort -u >"$scratch/declared"
sed '/^\.Sh DESCRIPTION/q' "$doc/libqimport.3" | sed -n 's/^\.F[no] \(qimport_[a-z_]*\).*/\1/p' |
  sort >"$scratch/told"
is "$(diff "$scratch/declared" "$scratch/told")" "" "libqimport(3) has every function of qimport.h, once"
squeeze () { tr -s ' \n' ' '; }
sed -n '/^\.Ss Structures/,/^\.Ed/p' "$doc/libqimport.3" | squeeze >"$scratch/told"
different=
structures=$(sed -n 's/^struct \(qimport_[a-z_]*\) {$/\1/p' "$top_srcdir/include/qimport.h")
check "qimport.h has structures" [ "$(echo "$structures" | wc -l)" -ge 5 ]
for name in $structures; do
  grep -qF -- "$(sed -n "/^struct $name {/,/^};/p" "$top_srcdir/include/qimport.h" | squeeze)" "$scratch/told" ||
    different="$different $name"
done
is "$different" "" "libqimport(3) has every structure of qimport.h, word for word"
qimport resume --all # makes a journal
for view in cluster_state import_summary; do
  sqlite3 -readonly "$QIMPORT_JOURNAL" "SELECT name FROM pragma_table_info('$view')" | sort >"$scratch/columns"
  awk -v view=$view '/^\.S[sh] / { on = $2 == view } on' "$doc/qimport-journal.5" | sed -n 's/^\.It Va //p' |
    sed 's/ , /\n/g' | sort >"$scratch/told"
  is "$(diff "$scratch/columns" "$scratch/told")" "" "qimport-journal(5) has every column of $view"
done

# ---- the examples of qimport(1)

cd "$scratch" || exit 99
mkdir files bin
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(cd "$top_builddir" && readlink -f "$QIMPORT")" >bin/qimport
chmod +x bin/qimport
PATH=$scratch/bin:$PATH
image deflate 64K
cp "$image" files/debian.qcow2
cp "$image" files/base.qcow2
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 files/delta.qcow2
cp "$image" vm.qcow2
qemu-img snapshot -c before-upgrade vm.qcow2
xz -0 -c "$image" >backup.qcow2.xz
cp backup.qcow2.xz files/debian.qcow2.xz
(cd files && sha256sum debian.qcow2 >SHA256SUMS)
GNUPGHOME=$scratch/gnupg
mkdir -m 700 "$GNUPGHOME"
export GNUPGHOME
trap 'gpgconf --kill all; finish' EXIT
gpg --batch --quiet --passphrase '' --quick-gen-key publisher@example.org ed25519 sign 2>/dev/null &&
  gpg --batch --armor --export >publisher.asc && gpg --batch --quiet --detach-sign files/SHA256SUMS || bail gpg
serve_start "$scratch/nginx" "$scratch/files" 0 || bail "nginx does not start"
printf '%s/debian.qcow2 one.img\n%s/base.qcow2 two.img\n' "$serve_url" "$serve_url" >images.txt
sum=$(cut -d ' ' -f 1 files/SHA256SUMS)
new_signed_link=$serve_url/debian.qcow2
printf token >token
export sum new_signed_link

# The commands of one example, each on one line, with this test's names for the manual's.
commands_of () {
  sed -n '/^\.Sh EXAMPLES/,/^\.Sh SECURITY/p' "$doc/qimport.1" | sed -n "/^\.Ss $1\$/,/^\.Ed/p" |
    grep -v '^\.\|^To sign' | sed 's/\\e$/\\/' | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' |
    sed -e ':a' -e '/&&$/N; s/&&\n */\&\& /; ta' | sed -e ':a' -e '/|$/N; s/|\n */| /; ta' |
    sed "s|https://images.example.org|$serve_url|g; s|https://h/|$serve_url/|g; s|/dev/vg0/root|root.img|
         s|/run/token|token|; s|/srv/||; s|/var/lib/node_exporter|.|g; s|1a2b3c4d|\$id|g"
}
# An import of disk.img in state $1, and no other.
prepare () {
  rm -rf "$QIMPORT_JOURNAL"* ./*.img ./*.qimport-part
  id=
  [ "$1" = none ] || {
    qimport start -q "$serve_url/debian.qcow2" disk.img ${2:+--limit-rate 4M --max-time 1} 2>/dev/null
    id=$(qimport status --json | jq -r '.imports[0].id' | cut -c 1-8)
    export id
  }
}
run_examples () { # COMMAND STATE [INTERRUPTED]
  commands_of "$1" >"$scratch/commands"
  check "there are examples of $1" [ -s "$scratch/commands" ]
  while read -r line; do
    prepare "$2" ${3:+interrupted}
    if sh -c "$line" >"$scratch/out" 2>"$scratch/err"; then
      ok "$line" | sed "s|$serve_url|http://server|g"
      points=$((points + 1))
    else
      not_ok "$line" "$(cat "$scratch/err")"
    fi
  done <"$scratch/commands"
}
run_examples start none
run_examples resume complete interrupted
run_examples ensure none
for c in status audit report log info map forget; do
  run_examples $c complete
done
if command -v ssh-keygen >/dev/null; then
  prepare complete
  mkdir .ssh
  ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
  echo "me@example.org $(cat .ssh/id_ed25519.pub)" >allowed_signers
  commands_of receipt >commands
  check "a receipt is signed and verified as the manual says" sh -c 'sh -e commands >out 2>&1'
else
  skip "a receipt is signed and verified as the manual says" "ssh-keygen is not installed"
fi
cd /
done_testing
