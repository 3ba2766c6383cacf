# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for qimport(1).  tests/check-manual.sh holds the lists below against
# `qimport help COMMAND`.

_qimport_commands="start resume ensure status audit receipt report log info map forget help"
_qimport_everywhere="--journal --quiet --verbose --help --version -q -v -h -V"

_qimport_options () {
  local net="--connections --limit-rate --retry-time --stall-time --connect-timeout \
    --header-file --netrc --netrc-file --user-file --bearer-file --cacert --cert --key \
    --pinnedpubkey --insecure --proxy --aws-sigv4"
  local copy="--jobs --progress --workers --memory --max-time --commit-interval --mirror \
    --stream --sha256 --backing --verify"
  case $1 in
    start|ensure) echo "$net $copy -f --max-size --checksums --digest --snapshot --unallocated \
      --target-is-zero --preallocate --force" ;;
    resume) echo "$net $copy --all --url --accept-new-validator --restart" ;;
    status) echo "--json --watch --prometheus" ;;
    audit) echo "$net --json --progress --workers --memory --url --repair" ;;
    receipt) echo "--all" ;;
    report) echo "-o" ;;
    log) echo "--json" ;;
    info|map) echo "$net --json --max-size --snapshot --backing" ;;
    forget) echo "--older-than" ;;
  esac
}

# Options of this command line that choose the journal, and what is in it: ids, then targets.
_qimport_imports () {
  local i journal=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    [ "${COMP_WORDS[i]}" = --journal ] && journal=(--journal "${COMP_WORDS[i + 1]}")
  done
  qimport -q status "${journal[@]}" 2>/dev/null | awk 'NR > 1 { print $1; print $6 }'
}

_qimport_words () {
  case $1 in
    resume|status|audit|receipt|report|log|forget)
      mapfile -t COMPREPLY < <(compgen -W "$(_qimport_imports)" -- "$2") ;;
    map)
      mapfile -t COMPREPLY < <(compgen -W "$(_qimport_imports)" -- "$2"; compgen -f -- "$2") ;;
    help)
      mapfile -t COMPREPLY < <(compgen -W "$_qimport_commands" -- "$2") ;;
    *)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
  esac
}

# The value of option $1; 1 where it takes none that we know.
_qimport_value () {
  case $1 in
    --progress) set -- "$2" auto bar plain json none ;;
    --digest) set -- "$2" on off ;;
    --unallocated) set -- "$2" zero keep ;;
    --journal|--header-file|--netrc-file|--user-file|--bearer-file|--cacert|--cert|--key|\
    --checksums|--backing|-o|-f)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$2")
      return 0 ;;
    --jobs|--connections|--workers|--memory|--limit-rate|--max-time|--retry-time|--stall-time|\
    --connect-timeout|--commit-interval|--pinnedpubkey|--proxy|--aws-sigv4|--mirror|--url|\
    --max-size|--sha256|--snapshot|--older-than)
      return 0 ;;
    *) return 1 ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "${*:2}" -- "$1")
}

_qimport () {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --journal) ((i++)) ;;
      -*) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  _qimport_value "$before" "$word" && return
  if [ "${word:0:1}" = - ]; then
    mapfile -t COMPREPLY < \
      <(compgen -W "$(_qimport_options "$command") $_qimport_everywhere" -- "$word")
  elif [ -z "$command" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_qimport_commands" -- "$word")
  else
    _qimport_words "$command" "$word"
  fi
}

complete -F _qimport qimport
