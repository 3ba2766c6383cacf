# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/verify/committed.c \
	src/verify/committed.h \
	src/verify/compare.c \
	src/verify/compare.h \
	src/verify/compare_inner.h \
	src/verify/look.c \
	src/verify/merkle.c \
	src/verify/merkle.h \
	src/verify/mirrors.c \
	src/verify/repair.c \
	src/verify/sample.c \
	src/verify/spot.c
