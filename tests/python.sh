#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The package for Python against nginx: its unittests, its types, and the examples of its page.
#
#     tests/python.sh [NAME...]      python/tests/test_NAME.py only
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

[ -e "$top_builddir/.libs/libqimport.so.0" ] || skip_all "there is no shared library in this build"
image deflate 64K
serve
case ${SANITIZE_CFLAGS:-} in
  *address*)
    # What was built with it wants it first in the process; what Python leaks is not ours.
    LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so)
    ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
    export LD_PRELOAD ASAN_OPTIONS ;;
  *thread* | *memory*) skip_all "Python itself is not built with $SANITIZE_CFLAGS" ;;
esac
QIMPORT_TEST_URL=$url QIMPORT_TEST_IMAGE=$image QIMPORT_TEST_EXPECTED=$expected
QIMPORT_TEST_HEADER=$top_srcdir/include/qimport.h
QIMPORT_TEST_PAGE=$top_srcdir/doc/python.md
PYTHONPATH=$top_srcdir/python PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
export QIMPORT_TEST_URL QIMPORT_TEST_IMAGE QIMPORT_TEST_EXPECTED QIMPORT_TEST_HEADER QIMPORT_TEST_PAGE
export PYTHONPATH PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER
python3 "$top_srcdir/python/tests/tap.py" "$@"
