# SPDX-License-Identifier: LGPL-2.1-or-later
dist_man_MANS += doc/qimport.1
dist_man_MANS += doc/libqimport.3
dist_man_MANS += doc/qimport-journal.5
nobase_dist_doc_DATA += doc/journal-format.md
nobase_dist_doc_DATA += doc/tutorial.md
nobase_dist_doc_DATA += doc/fleets.md
nobase_dist_doc_DATA += doc/troubleshooting.md
nobase_dist_doc_DATA += doc/instead-of-curl-and-qemu-img.md

examplesdir = $(docdir)/examples
dist_examples_DATA = doc/examples/import-with-progress.c doc/examples/list-imports.c \
	doc/examples/resume-everything.c
nobase_dist_doc_DATA += doc/durability.md
