# SPDX-License-Identifier: LGPL-2.1-or-later
dist_man_MANS += doc/qimport.1
dist_man_MANS += doc/libqimport.3
dist_man_MANS += doc/qimport-journal.5
nobase_dist_doc_DATA += doc/journal-format.md
nobase_dist_doc_DATA += doc/examples/import-with-progress.c
nobase_dist_doc_DATA += doc/examples/list-imports.c
nobase_dist_doc_DATA += doc/examples/resume-everything.c
