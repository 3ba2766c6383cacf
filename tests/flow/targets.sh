# SPDX-License-Identifier: LGPL-2.1-or-later
#
# targets: the table of targets, for tests that say the same of each of them.  After lib.sh:
#
#     kinds               the kinds that this machine has, of: file block nbd nbd-qcow2
#     target KIND [SIZE]  $disk: a new target, empty, of SIZE ($expected's); the one before is gone
#     holds FILE SENTENCE what a guest would read from it is what FILE is
#     has WORD            the last target: is_there (under its own name), server (a process: $server)
#     power_cut           of one with a server: it is killed; server_back starts it again
#     forget_target       all that the journal has of it
#
# A kind is a row: how it is made, compared and taken away.
kinds () {
  echo file
  if [ "$(id -u)" = 0 ] && losetup -f >/dev/null 2>&1; then echo block; fi
  if command -v qemu-nbd >/dev/null && ! "$QIMPORT" --version | grep -q "no NBD"; then
    echo nbd
    echo nbd-qcow2
  fi
}

target_kind='' target_n=0 disk='' server=''
target () { # KIND [SIZE]
  target_gone
  target_kind=$1 target_n=$((target_n + 1))
  target_size=${2:-$(size_of "$expected")}
  target_backing=$scratch/backing-$target_n
  case $target_kind in
    file) disk=$scratch/target-$target_n ;;
    block)
      truncate -s "$target_size" "$target_backing"
      disk=$(losetup -f --show "$target_backing") || bail "losetup"
      ;;
    nbd | nbd-qcow2)
      target_format=raw
      [ "$target_kind" = nbd ] || target_format=qcow2
      qemu-img create -q -f $target_format "$target_backing" "$target_size" || bail "qemu-img create"
      disk="nbd+unix:///?socket=$scratch/nbd-$target_n.sock"
      server_back
      ;;
  esac
}
target_gone () {
  case $target_kind in
    '') return ;;
    file) rm -f "$disk" "$disk".qimport-* ;;
    block) losetup -d "$disk" ;;
    nbd*) power_cut ;;
  esac
  [ "$target_kind" = file ] || rm -f "$target_backing"
  target_kind=''
}
power_cut () {
  kill -9 "$server" 2>/dev/null
  wait "$server" 2>/dev/null
}
server_back () {
  rm -f "$scratch/nbd-$target_n.sock"
  qemu-nbd --persistent --shared=0 -f $target_format -k "$scratch/nbd-$target_n.sock" "$target_backing" \
    2>"$scratch/nbd.err" &
  server=$!
  background
  for _ in $(seq 200); do
    [ -S "$scratch/nbd-$target_n.sock" ] && return
    sleep 0.05
  done
  bail "qemu-nbd does not start: $(cat "$scratch/nbd.err")"
}
holds () { # FILE SENTENCE
  case $target_kind in
    file) assert_identical "$disk" "$1" "$2" ;;
    block)
      blockdev --flushbufs "$disk"
      check "$2" cmp -s -n "$(size_of "$1")" "$disk" "$1"
      ;;
    nbd*) check "$2" qemu-img compare -q -f raw -F raw "$1" "$disk" ;;
  esac
}
has () {
  case $1 in
    is_there) [ "$target_kind" = file ] && [ -e "$disk" ] ;;
    server) case $target_kind in nbd*) true ;; *) false ;; esac ;;
  esac
}
forget_target () { while qimport forget -q "$disk" 2>/dev/null; do :; done; }
trap 'target_gone; finish' EXIT
