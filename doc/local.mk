# SPDX-License-Identifier: LGPL-2.1-or-later
dist_man_MANS += doc/qimport.1
nobase_dist_doc_DATA += doc/journal-format.md
