# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The package for Python; byte code is for those who package it.
python_package = $(addprefix python/qimport/, __init__.py _each.py _handle.py _library.py errors.py \
	images.py imports.py journal.py options.py py.typed)
if PYTHON
qimportpythondir = $(pythondir)/qimport
qimportpython_DATA = $(python_package)
endif
python_tests = $(wildcard $(srcdir)/python/tests/*.py)
EXTRA_DIST += $(python_package) $(python_tests:$(srcdir)/%=%)
