# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/import/auditing.c \
	src/import/auditing.h \
	src/import/beginning.c \
	src/import/checksums.c \
	src/import/checksums.h \
	src/import/copying.c \
	src/import/ensure.c \
	src/import/events.c \
	src/import/finish.c \
	src/import/fix_gpt.c \
	src/import/import.h \
	src/import/keep_format.c \
	src/import/machine.c \
	src/import/mapping.c \
	src/import/memo.c \
	src/import/memo.h \
	src/import/newer.c \
	src/import/options.h \
	src/import/options_lines.c \
	src/import/options_table.c \
	src/import/options_table.h \
	src/import/phase.c \
	src/import/phase.h \
	src/import/prove.c \
	src/import/resuming.c \
	src/import/same.c \
	src/import/several.c \
	src/import/several.h \
	src/import/shown.c \
	src/import/signed.c \
	src/import/sources.c \
	src/import/streaming.c
