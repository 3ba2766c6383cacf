#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every command and option that `qimport help` knows is in the manual page and in the three
# completions, and they know no others.  TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" "${top_builddir:=.}"
run=$top_builddir/run
man=$top_srcdir/doc/qimport.1
completion=$top_srcdir/etc/completion
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
n=0

check () { # NAME EXPECTED ACTUAL
  n=$((n + 1))
  if [ -s "$2" ] && diff "$2" "$3" >"$dir/diff"; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    sed 's/^/# /' "$dir/diff"
  fi
}

# The options in the help text on standard input, one a line; those of every command are behind
# "Of every command:".
options_of_help () {
  grep -oE '^ {2,6}-[^ ]*( --[a-z0-9-]+)?' | tr -d ' ' | tr ',' '\n' | sort -u
}

"$run" qimport help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort >"$dir/commands"
commands=$(grep -v '^help$' "$dir/commands")
for c in $commands; do
  "$run" qimport help "$c" >"$dir/help.$c" || echo "# help $c exits $?"
  sed '/^Of every command:/,$d' "$dir/help.$c" | options_of_help >"$dir/own.$c"
done
sed -n '/^Of every command:/,$p' "$dir/help.start" | options_of_help >"$dir/global"
sort -u "$dir"/own.* "$dir/global" >"$dir/all"

echo "1..$((7 + $(echo "$commands" | wc -w)))"

# man: .Fl -name, .Fl o, and .It Fl q , -quiet
sed -n '/^\.Sh OPTIONS/,/^\.Sh SIGNALS/p' "$man" | grep '^\.It Fl' |
  sed 's/^\.It Fl //; s/ Ar .*//; s/ Cm .*//; s/ , /\n/' | sed 's/^/-/' | sort -u >"$dir/man"
check "the manual has every option" "$dir/all" "$dir/man"

sed -n '/^\.Sh COMMANDS/,/^\.Sh OPTIONS/p' "$man" | sed -n 's/^\.It Cm //p' | sort >"$dir/man.commands"
check "the manual has every command" "$dir/commands" "$dir/man.commands"

sed -n '/^\.Sh EXAMPLES/,/^\.Sh SECURITY/p' "$man" | sed -n 's/^\.Ss //p' | sort >"$dir/examples"
grep -v '^help$' "$dir/commands" >"$dir/without-help"
check "the manual has an example of every command" "$dir/without-help" "$dir/examples"

# A default that help tells is the one that the manual tells, where it tells one.
"$run" qimport help start | tr '\n' ' ' | sed 's/ \{2,\}\(-\)/\n\1/g' |
  sed -n 's/^\(--[a-z0-9-]*\) .*(default *\([0-9]*[KMGT]\)).*/\1 \2/p' | sort >"$dir/defaults"
while read -r option _; do
  sed -n "/^\.It Fl ${option#-} /,/^\.It/p" "$man" |
    sed -n "s/.*(default \([0-9]*[KMGT]*\)[;)].*/$option \1/p" | head -n 1
done <"$dir/defaults" | sort >"$dir/man.defaults"
check "the manual's sizes by default are those of help" "$dir/defaults" "$dir/man.defaults"

for c in $commands; do
  bash -c '. "$1"; _qimport_options "$2"' - "$completion/qimport.bash" "$c" |
    tr -s ' ' '\n' | grep . | sort >"$dir/bash.$c"
  check "bash completes the options of $c" "$dir/own.$c" "$dir/bash.$c"
done

bash -c '. "$1"; echo $_qimport_everywhere' - "$completion/qimport.bash" | tr ' ' '\n' |
  sort >"$dir/bash.global"
check "bash completes the options of every command" "$dir/global" "$dir/bash.global"

grep '^complete -c qimport' "$completion/qimport.fish" | grep -oE ' -[ls] [A-Za-z0-9-]+' |
  sed 's/^ -l /--/; s/^ -s /-/' | sort -u >"$dir/fish"
check "fish completes every option" "$dir/all" "$dir/fish"

{ grep -oE "'\*?--?[a-z0-9-]+[=+[]" "$completion/_qimport" | tr -d "'*=+["
  grep -oE '\{-[a-zA-Z],--[a-z]+\}' "$completion/_qimport" | tr -d '{}' | tr ',' '\n'
} | sort -u >"$dir/zsh"
check "zsh completes every option" "$dir/all" "$dir/zsh"
