#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whatever an image or a server says, no control byte of it reaches a terminal, and JSON stays JSON
# (X1, X2, X3): names within images, validators, types, ranges, encodings and locations.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/flow/net.sh"
net_image 2
liar
disk=$scratch/disk

# All that the last run printed is ASCII, in lines.
harmless () {
  cat "$scratch/out" "$scratch/err" | tr -d '\n -~' >"$scratch/rest"
  if [ ! -s "$scratch/rest" ]; then ok "$1: nothing but harmless bytes is printed"; else
    not_ok "$1: nothing but harmless bytes is printed" "$(od -c "$scratch/rest" | head -n 4)" \
      "$(cat -v "$scratch/out" "$scratch/err" | head -n 8)"; fi
}
is_json () { # WHAT
  if jq . "$scratch/out" >"$scratch/parsed" 2>&1; then ok "$1: its JSON is valid"; else
    not_ok "$1: its JSON is valid" "$(cat "$scratch/parsed")"; fi
}

# ---- What a server says

said='%1b[2J%1b]0;pwned%07%9b31m%c2%9b%e2%80%ae'
for what in "content-range,bytes%20$said" "encoding,$said" "redirect,/$said+status,301" \
  "redirect,file:///$said" "modified,$said+content-range,bytes%200-1/$said" "html" "multipart"; do
  afresh
  lie "$what"
  run qimport start -v --retry-time 0 "$url" "$disk"
  check "$what: refused ($rc)" [ "$rc" = 3 -o "$rc" = 4 -o "$rc" = 5 -o "$rc" = 0 ]
  harmless "$what"
  run qimport status -v
  harmless "$what, status"
done

afresh
lie "etag,\"$said\"+modified,$said"
run qimport start -v --limit-rate 1M --max-time 1 "$url" "$disk"
exits 3 "a hostile tag: the import is interrupted"
harmless "a hostile tag"
run qimport resume -v --limit-rate 0 "$disk"
exits 0 "and goes on with it"
harmless "a hostile tag, resumed"
for command in "status" "status --json" "status $disk --json" "log $disk" "log $disk --json" \
  "receipt $disk" "map $disk" "map $disk --json" "audit $disk --json" "info $url" "info $url --json"; do
  run qimport $command
  harmless "a hostile tag, ${command%% *}${command##*[!n]}"
  case $command in *json* | receipt*) is_json "a hostile tag, ${command%% *}" ;; esac
done
lie "etag,\"other$said\""
run qimport ensure "$url" "$disk"
harmless "another hostile tag, ensure"

# ---- What an image says

esc=$(printf '\033[2J\033]0;pwned\007\302\233\342\200\256')
(cd "$scratch" && qemu-img create -q -f qcow2 -u -F qcow2 -b "back$esc" named.qcow2 1M) || bail "qemu-img"
qemu-img create -q -f qcow2 "$scratch/snapped.qcow2" 1M && qemu-img snapshot -c "snap$esc" "$scratch/snapped.qcow2"
for name in named snapped; do
  for command in "info $scratch/$name.qcow2" "info $scratch/$name.qcow2 --json" \
    "map $scratch/$name.qcow2" "start -v --snapshot none $scratch/$name.qcow2 $scratch/none"; do
    run qimport $command
    harmless "an image of hostile names ($name), ${command%% *}"
    case $command in *json) is_json "an image of hostile names ($name)" ;; esac
  done
done
disk=$scratch/none
run qimport start -v "$scratch/named.qcow2" "$disk"
exits 5 "a hostile backing name: refused with 5"
harmless "a hostile backing name"
check "and it is shown, escaped" grep -qF 'back\x1b[2J' "$scratch/err"
disk=$scratch/snapped
run qimport start -v --snapshot "snap$esc" "$scratch/snapped.qcow2" "$disk"
exits 0 "a snapshot of a hostile name can be imported"
harmless "a snapshot of a hostile name"
run qimport receipt "$disk"
harmless "its receipt"
is_json "its receipt"

# ---- Names of this machine

mkdir "$scratch/dir$esc" "$scratch/Übung"
disk=$scratch/dir$esc/disk
run qimport start -v "$scratch/snapped.qcow2" "$disk"
exits 6 "a target whose name the journal cannot keep is refused with 6"
harmless "a target of a hostile name"
disk="$scratch/Übung/été\\.img"
run qimport start -v "$scratch/snapped.qcow2" "$disk"
exits 0 "a target of a foreign name is a target"
check "under that name" [ -e "$disk" ]
run qimport audit "$disk"
exits 0 "and found again"
done_testing
