# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/import/audit.c \
	src/import/audit.h \
	src/import/checksums.c \
	src/import/commit.c \
	src/import/compare.c \
	src/import/compare.h \
	src/import/compare_inner.h \
	src/import/copy.c \
	src/import/copy.h \
	src/import/describe.c \
	src/import/ensure.c \
	src/import/findings.c \
	src/import/image.c \
	src/import/import.h \
	src/import/json.c \
	src/import/json.h \
	src/import/look.c \
	src/import/map.c \
	src/import/map.h \
	src/import/merkle.c \
	src/import/merkle.h \
	src/import/options.c \
	src/import/options.h \
	src/import/progress.c \
	src/import/public.c \
	src/import/queries.c \
	src/import/repair.c \
	src/import/report.c \
	src/import/run.c \
	src/import/slot.h \
	src/import/snapshot.c \
	src/import/snapshot.h \
	src/import/stream.c \
	src/import/stream.h \
	src/import/stream_map.c \
	src/import/worker.c
