# SPDX-License-Identifier: LGPL-2.1-or-later
dist_man_MANS += doc/qimport.1
dist_man_MANS += doc/libqimport.3
dist_man_MANS += doc/qimport-journal.5
dist_doc_DATA += doc/digests.md
dist_doc_DATA += doc/durability.md
dist_doc_DATA += doc/fleets.md
dist_doc_DATA += doc/instead-of-curl-and-qemu-img.md
dist_doc_DATA += doc/journal-format.md
dist_doc_DATA += doc/nbd.md
dist_doc_DATA += doc/python.md
dist_doc_DATA += doc/receipt.schema.json
dist_doc_DATA += doc/troubleshooting.md
dist_doc_DATA += doc/tutorial.md
dist_doc_DATA += doc/xcp-ng.md

examplesdir = $(docdir)/examples
dist_examples_DATA = doc/examples/import-with-progress.c doc/examples/list-imports.c \
	doc/examples/resume-everything.c
dist_examples_SCRIPTS = doc/examples/root-digest.py
