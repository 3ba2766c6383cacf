#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# TAB completes, in bash, zsh and fish, what a user would expect: commands, options and their
# values, and IDs and targets from the journal that the line names, also where a target has
# blanks, quotes or colons in it.  What is completed is what the shell would then run.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"
completion=$(cd "$top_srcdir" && pwd)/etc/completion
at_prompt=$(cd "$top_srcdir" && pwd)/tests/tools/at-prompt.py
bash_completion=/usr/share/bash-completion/bash_completion
cd "$scratch" || exit 99
mkdir bin here
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(cd "$top_builddir" && readlink -f "$QIMPORT")" >bin/qimport
chmod +x bin/qimport
PATH=$scratch/bin:$PATH
qemu-img create -q -f qcow2 here/disk.qcow2 1M
qemu-img create -q -f qcow2 here/slow.qcow2 64M
qemu-io -c 'write -P 7 0 32M' here/slow.qcow2 >/dev/null
cd here || exit 99
for target in 'my disk.img' 'odd $x "name.img' 'colon:name.img'; do
  qimport start -q disk.qcow2 "$target" || bail "no import of $target"
done
qimport start -q --limit-rate 2M --max-time 1 slow.qcow2 'left over.img' 2>/dev/null
QIMPORT_JOURNAL=$scratch/other.db qimport start -q disk.qcow2 other.img
id_of () { import_of "$scratch/here/$1" .id | cut -c 1-8; }
odd=$(id_of 'odd $x "name.img')
left=$(id_of 'left over.img')
complete=$(id_of 'my disk.img')

# What the shell makes of a line, for each point: SENTENCE | LINE | RESULT.
points () {
  cat <<END
a command|qimport ens|<qimport><ensure>
a command behind options|qimport -q --journal j.db ens|<qimport><-q><--journal><j.db><ensure>
an option|qimport start --connectio|<qimport><start><--connections>
an option's value|qimport start --progress pl|<qimport><start><--progress><plain>
a file as an option's value|qimport start --cacert sl|<qimport><start><--cacert><slow.qcow2>
a file as URL|qimport start sl|<qimport><start><slow.qcow2>
a command to be helped with|qimport help rece|<qimport><help><receipt>
an ID|qimport audit $(echo "$odd" | cut -c 1-6)|<qimport><audit><$odd>
a target of this directory, with a blank|qimport audit my|<qimport><audit><my disk.img>
a target by its whole path|qimport status $scratch/here/my|<qimport><status><$scratch/here/my disk.img>
a target with a quote and a dollar|qimport log od|<qimport><log><odd \$x "name.img>
a target with a colon|qimport receipt col|<qimport><receipt><colon:name.img>
resume: what was interrupted|qimport resume l|<qimport><resume><left over.img>
resume: and its ID|qimport resume $(echo "$left" | cut -c 1-6)|<qimport><resume><$left>
resume: but nothing that is complete|qimport resume m|<qimport><resume><m>
the journal of the line|qimport status --journal $scratch/other.db o|<qimport><status><--journal><$scratch/other.db><other.img>
END
}
points >"$scratch/points"
# BASH has --option=VALUE as a word of its own too; so has zsh.
echo "an option's value behind =|qimport start --progress=pl|<qimport><start><--progress=plain>
the journal of the line behind =|qimport --journal=$scratch/other.db status o|<qimport><--journal=$scratch/other.db><status><other.img>" >>"$scratch/points"

drive () { # NAME SETUP SHELL...
  name=$1
  shift
  cut -d '|' -f 2 "$scratch/points" | python3 "$at_prompt" "$@" >"$scratch/got" 2>"$scratch/drive.err"
  exec 3<"$scratch/got"
  while IFS='|' read -r sentence line want; do
    IFS= read -r got <&3 || got="nothing: $(cat "$scratch/drive.err")"
    is "$got" "$want" "$name: $sentence"
  done <"$scratch/points"
  exec 3<&-
}

if command -v bash >/dev/null && [ -s $bash_completion ]; then
  printf '. %s\n. %s/qimport.bash\nbind "set bell-style none"\n' $bash_completion "$completion" >"$scratch/setup.bash"
  drive bash "$scratch/setup.bash" bash --norc --noprofile -i
else
  skip "bash completes" "bash-completion is not installed"
fi

if command -v zsh >/dev/null; then
  cat >"$scratch/setup.zsh" <<END
unsetopt beep auto_menu prompt_cr prompt_sp zle_bracketed_paste
fpath=($completion \$fpath)
autoload -Uz compinit && compinit -u -D
bindkey -e
END
  drive zsh "$scratch/setup.zsh" zsh -f -i
else
  skip "zsh completes" "zsh is not installed"
fi

# fish tells what it would offer, and quotes it itself.
offers () { # SENTENCE LINE WANT...
  sentence=$1 line=$2
  shift 2
  fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$completion/qimport.fish" "$line" |
    cut -f 1 | sort >"$scratch/got"
  printf '%s\n' "$@" | sort >"$scratch/want"
  is "$(cat "$scratch/got")" "$(cat "$scratch/want")" "fish: $sentence"
}
if command -v fish >/dev/null; then
  offers "a command" "qimport ens" ensure
  offers "an option" "qimport start --conn" --connections --connect-timeout
  offers "an option's value" "qimport start --progress pl" plain
  offers "an option's value behind =" "qimport start --progress=pl" --progress=plain
  offers "a command to be helped with" "qimport help rece" receipt
  offers "an ID" "qimport audit $(echo "$complete" | cut -c 1-6)" "$complete"
  offers "a target with a blank" "qimport audit my" "my disk.img"
  offers "a target by its whole path" "qimport status $scratch/here/my" "$scratch/here/my disk.img"
  offers "a target with a quote and a dollar" "qimport log od" 'odd $x "name.img'
  offers "resume: what was interrupted" "qimport resume l" "left over.img"
  offers "resume: but nothing that is complete" "qimport resume my\\ disk" ""
  offers "the journal of the line" "qimport status --journal $scratch/other.db o" other.img
else
  skip "fish completes" "fish is not installed"
fi
cd /
done_testing
