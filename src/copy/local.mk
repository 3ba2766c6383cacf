# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/copy/commit.c \
	src/copy/copy.c \
	src/copy/copy.h \
	src/copy/decoders.c \
	src/copy/decoders.h \
	src/copy/gather.c \
	src/copy/gather.h \
	src/copy/plan.c \
	src/copy/slot.h \
	src/copy/worker.c
