# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for qimport(1), with the functions of bash-completion.  A test holds the lists
# below against `qimport help COMMAND`.

_qimport_commands="start resume ensure status audit receipt report log info map forget help"
_qimport_everywhere="--journal --quiet --verbose --help --version -q -v -h -V"

_qimport_options () {
  local net="--connections --limit-rate --retry-time --stall-time --connect-timeout \
    --header-file --netrc --netrc-file --user-file --digest-auth --bearer-file --cacert --cert --key \
    --pinnedpubkey --insecure -4 --ipv4 -6 --ipv6 --resolve --proxy --proxy-user-file --proxy-digest --aws-sigv4"
  local copy="--jobs --progress --workers --memory --max-time --commit-interval --mirror \
    --stream --length --checksum --sha256 --checksums --signed-by --signature --backing --verify --force --spool-dir --no-keep"
  local fresh="-f --max-size --digest --format --keep-format --size \
    --fix-gpt --snapshot --unallocated --target-is-zero --preallocate --once"
  case $1 in
    start) echo "$net $copy $fresh" ;;
    ensure) echo "$net $copy $fresh --newer" ;;
    resume) echo "$net $copy --all --url --accept-new-validator --restart" ;;
    status) echo "--json --watch --prometheus" ;;
    audit) echo "$net --json --progress --workers --memory --url --repair" ;;
    receipt) echo "--all" ;;
    report) echo "-o" ;;
    log) echo "--json" ;;
    info|map) echo "$net --json --max-size --format --snapshot --backing --allow-partial --length" ;;
    forget) echo "--older-than" ;;
  esac
}

# "ID<tab>TARGET" for each import in the journal of this command line; with the argument
# unfinished those that can be resumed.
_qimport_imports () {
  local i journal=()
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --journal) journal=(--journal "${words[i + 1]}") ;;
      --journal=*) journal=("${words[i]}") ;;
    esac
  done
  qimport -q status --json "${journal[@]}" 2>/dev/null |
    grep -oE '"id":"[^"]*","state":"[a-z]*","url":"([^"\]|\\.)*","target":"([^"\]|\\.)*"' |
    case $1 in unfinished) grep -v '","state":"complete","' ;; *) cat ;; esac |
    sed -E 's/^"id":"(.{8})[^"]*",.*","target":"(.*)"$/\1\t\2/; s/\\(["\])/\1/g'
}

# IDs and targets that begin with the word; targets below this directory without its name, too.
_qimport_complete_imports () {
  local id target name typed=${cur//\\/}
  typed=${typed#[\"\']}
  compopt -o filenames 2>/dev/null
  while IFS=$'\t' read -r id target; do
    for name in "$id" "$target" "${target#"$PWD/"}"; do
      [[ $name == "$typed"* && ($typed || $name != /*) ]] && COMPREPLY+=("$name")
    done
  done < <(_qimport_imports "$1")
  [[ $cur != *:* ]] || __ltrim_colon_completions "$cur"
}

_qimport_words () { # COMMAND
  case $1 in
    resume) _qimport_complete_imports unfinished ;;
    status|audit|receipt|report|log|forget) _qimport_complete_imports ;;
    map) _qimport_complete_imports; _filedir ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$_qimport_commands" -- "$cur") ;;
    *) _filedir ;;
  esac
}

# The value of option $1; 1 where it takes none that we know.
_qimport_value () {
  local choices
  case $1 in
    --progress) choices="auto bar plain json none" ;;
    --digest) choices="on off" ;;
    --format) choices="auto qcow2 raw" ;;
    --unallocated) choices="zero keep" ;;
    --journal|--header-file|--netrc-file|--user-file|--proxy-user-file|--bearer-file|--cacert|--cert|\
    --key|    --checksums|--signed-by|--signature|--backing|-o|-f)
      _filedir
      return 0 ;;
    --jobs|--connections|--workers|--memory|--limit-rate|--max-time|--retry-time|--stall-time|\
    --connect-timeout|--commit-interval|--pinnedpubkey|--resolve|--proxy|--aws-sigv4|--mirror|--url|\
    --max-size|--checksum|--sha256|--snapshot|--older-than)
      return 0 ;;
    *) return 1 ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

_qimport () {
  local cur prev words cword split=false command='' i
  _init_completion -s -n : || return
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --journal) ((i++)) ;;
      -*) ;;
      *) command=${words[i]}; break ;;
    esac
  done
  _qimport_value "$prev" && return
  $split && return
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < \
      <(compgen -W "$(_qimport_options "$command") $_qimport_everywhere" -- "$cur")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$_qimport_commands" -- "$cur")
  else
    _qimport_words "$command"
  fi
}

complete -F _qimport qimport
