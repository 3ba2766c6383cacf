# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/journal/check.c \
	src/journal/database.c \
	src/journal/database.h \
	src/journal/documents.c \
	src/journal/event.c \
	src/journal/event.h \
	src/journal/extent_rows.c \
	src/journal/extent_rows.h \
	src/journal/holder.c \
	src/journal/holder.h \
	src/journal/import_begin.c \
	src/journal/import_change.c \
	src/journal/import_commit.c \
	src/journal/import_find.c \
	src/journal/import_forget.c \
	src/journal/import_hold.c \
	src/journal/import_lock.c \
	src/journal/import_lock.h \
	src/journal/journal.h \
	src/journal/listing.c \
	src/journal/map_build.c \
	src/journal/map_build.h \
	src/journal/map_copy.c \
	src/journal/map_needs.c \
	src/journal/map_rows.c \
	src/journal/map_scan.c \
	src/journal/map_seal.c \
	src/journal/map_seal_piece.c \
	src/journal/reader.c \
	src/journal/record.c \
	src/journal/record.h \
	src/journal/schema.c \
	src/journal/schema.h \
	src/journal/sql.c \
	src/journal/sql.h \
	src/journal/state.c \
	src/journal/state.h \
	src/journal/tamper.c \
	src/journal/tamper.h \
	src/journal/transaction.c \
	src/journal/transaction.h
nodist_librooms_la_SOURCES = src/journal/sql-text.c src/journal/sql-text.h

sql_files = \
	sql/file.sql \
	sql/import.sql \
	sql/map.sql \
	sql/query.sql \
	sql/stage.sql \
	sql/migrations/0001-journal.sql \
	sql/migrations/0002-marker.sql \
	sql/migrations/0003-work.sql
sql_paths = $(sql_files:%=$(top_srcdir)/%)
EXTRA_DIST += $(sql_files)
BUILT_SOURCES += src/journal/sql-text.c src/journal/sql-text.h
CLEANFILES += src/journal/sql-text.c src/journal/sql-text.h

src/journal/sql-text.h: $(sql_files) tools/embed-sql
	$(AM_V_GEN)$(MKDIR_P) src/journal && \
	AWK='$(AWK)' $(SHELL) $(top_srcdir)/tools/embed-sql names $(sql_paths) >$@.tmp && \
	mv $@.tmp $@
src/journal/sql-text.c: $(sql_files) tools/embed-sql
	$(AM_V_GEN)$(MKDIR_P) src/journal && \
	AWK='$(AWK)' $(SHELL) $(top_srcdir)/tools/embed-sql texts $(sql_paths) >$@.tmp && \
	mv $@.tmp $@
