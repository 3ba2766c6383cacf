# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/image/chain.c \
	src/image/image.c \
	src/image/image.h \
	src/image/image_spec.c \
	src/image/image_spec.h \
	src/image/raw_disk.c \
	src/image/raw_disk.h \
	src/image/snapshots.c \
	src/image/snapshots.h \
	src/image/walk.c \
	src/image/walk.h
