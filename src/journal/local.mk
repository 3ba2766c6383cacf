# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/journal/check.c \
	src/journal/event.c \
	src/journal/event.h \
	src/journal/file.c \
	src/journal/file.h \
	src/journal/hold.c \
	src/journal/hold.h \
	src/journal/holder.c \
	src/journal/holder.h \
	src/journal/import.c \
	src/journal/import_lock.c \
	src/journal/import_lock.h \
	src/journal/journal.h \
	src/journal/life.c \
	src/journal/map.c \
	src/journal/map.h \
	src/journal/map_rows.c \
	src/journal/query.c \
	src/journal/reader.c \
	src/journal/record.c \
	src/journal/record.h \
	src/journal/rows.c \
	src/journal/rows.h \
	src/journal/scan.c \
	src/journal/seal.c \
	src/journal/sql.c \
	src/journal/sql.h \
	src/journal/state.c \
	src/journal/state.h \
	src/journal/take.c \
	src/journal/transaction.c \
	src/journal/transaction.h \
	src/journal/witness.c \
	src/journal/witness.h \
	src/journal/work.c
nodist_librooms_la_SOURCES = src/journal/sql-text.c src/journal/sql-text.h

sql_files = \
	sql/file.sql \
	sql/import.sql \
	sql/map.sql \
	sql/query.sql \
	sql/stage.sql \
	sql/migrations/0001-journal.sql \
	sql/migrations/0002-marker.sql
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
