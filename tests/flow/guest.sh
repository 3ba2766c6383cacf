# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guest: disk images of real files of this machine.  Needs no root and no loop device.  Sourced
# by tests/flow/lib.sh, tools/quickstart and bench/bench.sh.
#
#     guest_make OUT MIB    a disk (GPT, one ext4) with about MIB mebibytes of files
#     guest_qcow2 RAW OUT plain|deflate|zstd CLUSTER_SIZE
#
# Both leave OUT alone when it is there, and make it under another name first.

# The names of about $1 MiB of readable files, in a fixed shuffle: a directory tree in turn would
# be one kind of file.
guest_files () {
  find /usr/lib /usr/share /usr/bin -xdev -type f -readable -size +3k -size -65536k \
       -printf '%s %p\n' 2>/dev/null |
    LC_ALL=C sort -k2 | awk '{ printf "%.0f %s\n", (NR * 2654435761) % 4294967296, $0 }' |
    sort -n | awk -v max="$(($1 * 1048576))" '
      $2 > max / 8 || sum + $2 > max { next }
      { sum += $2; sub (/^[0-9]+ [0-9]+ /, ""); print }'
}

guest_make () {
  [ -s "$1" ] && return 0
  guest_stage=$(mktemp -d "$1.files.XXXXXX") || return 1
  guest_fill "$1" "$2" "$guest_stage" && mv "$1.new" "$1"
  guest_rc=$?
  rm -rf "$guest_stage" "$1.new"
  return $guest_rc
}

# $3 holds the files; the file system has a fifth more room, and 1 MiB before and behind it.
guest_fill () {
  guest_files "$2" >"$3.list"
  tar -C / --ignore-failed-read -cf - -T "$3.list" 2>/dev/null | tar -C "$3" -xf - 2>/dev/null
  rm -f "$3.list"
  guest_fs=$(($2 + $2 / 5 + 16))
  truncate -s "$((guest_fs + 2))M" "$1.new" &&
  printf 'label: gpt\nstart=2048, size=%s, type=linux, name=root\n' $((guest_fs * 2048)) |
    guest_sbin sfdisk -q "$1.new" &&
  guest_sbin mkfs.ext4 -q -F -L guest -d "$3" -E offset=1048576 "$1.new" "${guest_fs}M" </dev/null
}

guest_sbin () {
  PATH=$PATH:/sbin:/usr/sbin "$@"
}

guest_qcow2 () {
  [ -s "$2" ] && return 0
  case $3 in
    plain) set -- "$1" "$2" -o "cluster_size=$4" ;;
    *) set -- "$1" "$2" -c -o "cluster_size=$4,compression_type=$(echo "$3" | sed s/deflate/zlib/)" ;;
  esac
  guest_raw=$1 guest_out=$2
  shift 2
  qemu-img convert -f raw -O qcow2 -W -m 4 "$@" "$guest_raw" "$guest_out.new" &&
    mv "$guest_out.new" "$guest_out"
}
