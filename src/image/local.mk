# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/image/chain.c \
	src/image/image.c \
	src/image/image.h \
	src/image/map.c \
	src/image/map.h \
	src/image/snapshot.c \
	src/image/snapshot.h
