#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The table of verdicts: one image spoilt in 137 ways.  What must be refused is refused with exit
# status 5 and one line of words; what must be read is read as qemu-img convert reads it.
set -eu

decode=$top_builddir/tests/tools/qcow2-decode
for tool in qemu-img qemu-io python3; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not here"; exit 0; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 "$top_srcdir/tests/tools/qcow2-mutate.py" "$dir"
cd "$dir"
tab=$(printf '\t')
n=0

refused () { # ID
  "$decode" "$1.qcow2" ours 2>words && return 1
  [ $? -eq 5 ] && [ "$(wc -l <words)" -eq 1 ] && ! LC_ALL=C grep -q '[[:cntrl:]]' words
}

accepted () { # ID HOW
  rm -f ours theirs
  "$decode" "$1.qcow2" ours 2>words || return 1
  qemu-img convert -f qcow2 -O raw "$1.qcow2" theirs && cmp ours theirs || return 1
  if [ "$2" = same ]; then cmp ours base.raw; else ! cmp -s ours base.raw; fi
}

while IFS=$tab read -r id verdict how; do
  n=$((n + 1))
  if case $verdict in
    ACCEPT) accepted "$id" "$how" ;;
    REJECT) refused "$id" ;;
    *) false ;;
    esac
  then
    echo "ok $n - $id $verdict"
  else
    sed 's/^/# /' words
    echo "not ok $n - $id $verdict"
  fi
done <verdicts.tsv
[ $n -eq 138 ] || echo "not ok $((n += 1)) - there are 138 rows with the control"
echo "1..$n"
