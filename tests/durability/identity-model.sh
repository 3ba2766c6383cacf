#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Exit 0 means the right disk: histories that were written down, each for what once went wrong or
# might, and some hundred of chance (tests/tools/identity-model.py says what they are made of).
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

# What a signal ends is no leak, and a traced program is not looked through.
ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
histories=304
[ "${QIMPORT_TEST_LONG:-0}" = 0 ] || histories=${QIMPORT_TEST_HISTORIES:-4000}
note "QIMPORT_TEST_SEED=${QIMPORT_TEST_SEED:-1} repeats this run"
exec_model () {
  python3 "$top_srcdir/tests/tools/identity-model.py" --tap --jobs "$(nproc)" \
    --histories $histories --seed "${QIMPORT_TEST_SEED:-1}" \
    "$top_srcdir"/tests/durability/identity/*.txt
}
exec_model || [ $? = 1 ] || bail "the model itself failed"
