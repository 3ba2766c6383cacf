#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The package for Python against nginx: its unittests, its types, and the examples of its page.
#
#     tests/python.sh [NAME...]      python/tests/test_NAME.py only
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"

needs_shared_library
image deflate 64K
serve
QIMPORT_TEST_URL=$url QIMPORT_TEST_IMAGE=$image QIMPORT_TEST_EXPECTED=$expected
QIMPORT_TEST_HEADER=$top_srcdir/include/qimport.h
QIMPORT_TEST_PAGE=$top_srcdir/doc/python.md
PYTHONPATH=$top_srcdir/python PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
export QIMPORT_TEST_URL QIMPORT_TEST_IMAGE QIMPORT_TEST_EXPECTED QIMPORT_TEST_HEADER QIMPORT_TEST_PAGE
export PYTHONPATH PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER
LD_PRELOAD=$preload python3 "$top_srcdir/python/tests/tap.py" "$@"
