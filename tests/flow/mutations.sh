#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One image spoilt in 137 ways, each with its verdict (mutations.tsv): from a server that honours
# ranges, and from a pipe.  What is refused is exit status 5, one line of words, and nothing made;
# what is accepted is what qemu-img convert makes of it.  A pipe that may have broken ends with 3
# where the image's length would have told that it is cut.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

spoilt=$scratch/spoilt
disk=$scratch/target/disk
table=$top_srcdir/tests/flow/mutations.tsv
mkdir "$scratch/target"
python3 "$top_srcdir/tests/tools/qcow2-mutate.py" "$spoilt" || bail "the images cannot be made"
serve_start "$scratch/nginx" "$spoilt" || bail "nginx does not start"

# Exit status $1, one printable line, no target.  What was refused before its first byte was
# written, and says so by "clean", leaves neither a part file nor an import.
refused () { # STATUS [clean]
  [ "$rc" = "$1" ] && [ "$(wc -l <"$scratch/err")" = 1 ] && [ ! -e "$disk" ] &&
    ! grep -q '[[:cntrl:]]' "$scratch/err" || return 1
  [ "$2" != clean ] || { [ -z "$(ls "$scratch/target")" ] &&
    [ "$(qimport status --json | jq '.imports | length')" = 0 ]; }
}

accepted () { # ID
  [ "$rc" = 0 ] && qemu-img convert -f qcow2 -O raw "$spoilt/$1.qcow2" "$scratch/theirs" &&
    cmp "$disk" "$scratch/theirs" >>"$scratch/err"
}

verdict () { # ID STATUS LEAVES SENTENCE
  if case $2 in 0) accepted "$1" ;; *) refused "$2" "$3" ;; esac
  then ok "$4"; else not_ok "$4" "exit status $rc" "$(cat -v "$scratch/err")" "$(ls "$scratch/target")"; fi
  rm -rf "$scratch/target/"* "$scratch/journal.db"*
}

n=0
while IFS='	' read -r id server pipe leaves what; do
  case $id in '#'*) continue ;; esac
  n=$((n + 1))
  run qimport start -q "$serve_url/$id.qcow2" "$disk"
  verdict "$id" "$server" "$leaves" "$id: $what: from a server: $server"
  "$QIMPORT" start -q - "$disk" <"$spoilt/$id.qcow2" >"$scratch/out" 2>"$scratch/err"
  rc=$?
  [ "$pipe" != 3 ] || leaves=part
  verdict "$id" "$pipe" "$leaves" "$id: $what: from a pipe: $pipe"
done <"$table"
is "$n" "$(wc -l <"$spoilt/verdicts.tsv" | tr -d ' ')" "every mutation has its verdict"
done_testing
