#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every allocation, every call to the disk, to the network, to SQLite and to libcurl fails once, then
# from there on always: the program ends with a status of the contract, neither crashes nor hangs
# nor (with a sanitizer) leaks, and going on without the fault ends identical (P9, P11, SQ9, T22).
# A sample in make check, all of it with QIMPORT_TEST_LONG=1.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
. "$top_srcdir/tests/durability/crash.sh"

shim=$scratch/fault-shim.so
${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o "$shim" "$top_srcdir/tests/tools/fault-shim.c" -ldl ||
  bail "cannot compile the shim"
ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
small_image
serve_start "$scratch/nginx" "$scratch" 0 || bail "nginx does not start"
source=$serve_url/${image##*/}
say_seed

faulty () { # KIND FROM N COMMAND...
  kind=$1 from=$2 n=$3
  shift 3
  timeout -k 1 60 env LD_PRELOAD="$shim" FAULT_KIND="$kind" FAULT_FROM="$from" FAULT_AT="$n" \
    FAULT_ERRNO="${errno:-5}" FAULT_COUNT="$scratch/count" "$QIMPORT" "$@" \
    >"$scratch/out" 2>"$scratch/err" </dev/null
  rc=$?
}

step_of () { # KIND FROM N
  fresh
  rm -f "$scratch/count"
  faulty "$1" "$2" "$3" start -q --commit-interval 0.1 --retry-time 0 "$source" "$disk"
  [ ! -s "$scratch/count" ] || [ "$(cat "$scratch/count")" -ge "$3" ] || return 1
  case $rc in
    0) whole; [ -z "$why" ] || wrong="$wrong$1 $3: it ended with 0, but $why
" ;;
    1 | 3 | 4 | 6 | 7) ;;
    124 | 137) wrong="$wrong$1 $3: it hangs
"; return ;;
    *) wrong="$wrong$1 $3: it ended with $rc: $(grep -m 4 -e ERROR -e ssertion -e ' #[0-9]' "$scratch/err")
"; return ;;
  esac
  recovers "$1 $3 ($rc, $(head -c 120 "$scratch/err"))"
}

all_of () { # KIND ONCE ALWAYS WORDS
  fresh
  faulty "$1" 0 0 start -q --commit-interval 0.1 "$source" "$disk"
  [ $rc = 0 ] || bail "the shim alone makes it fail: $(cat "$scratch/err")"
  steps=$(cat "$scratch/count")
  repeatedly "every $4 fails once: a status of the contract, and a resume that ends identical" "$2" \
    step_of "$1" 0
  repeatedly "every $4 fails from the n-th on: likewise" "$3" step_of "$1" 1
}

all_of memory 14 8 allocation
errno=5
all_of disk 10 6 "call to the disk (I/O error)"
errno=28
all_of disk 6 5 "call to the disk (no space)"
errno=104
all_of network 8 5 "call to the network (reset)"
all_of library 10 6 "call to SQLite and libcurl"
errno=5
all_of close 5 5 "close (I/O error)"
done_testing
