# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/base/bytes.h \
	src/base/clock.h \
	src/base/digest.c \
	src/base/digest.h \
	src/base/descriptor.h \
	src/base/error.c \
	src/base/error.h \
	src/base/extent.h \
	src/base/hash.c \
	src/base/hash.h \
	src/base/kernel.c \
	src/base/kernel.h \
	src/base/mutex.h \
	src/base/own.h \
	src/base/sha256_blocks.c \
	src/base/sha256_blocks.h \
	src/base/text.c \
	src/base/text.h \
	src/base/url.c \
	src/base/url.h
