# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/unwrap/codec.c \
	src/unwrap/codec.h \
	src/unwrap/recognise.c \
	src/unwrap/unwrap.h \
	src/unwrap/zstd.c
if HAVE_LZMA
librooms_la_SOURCES += src/unwrap/xz.c
endif
if HAVE_ZLIB
librooms_la_SOURCES += src/unwrap/gzip.c
endif
if HAVE_BZIP2
librooms_la_SOURCES += src/unwrap/bzip2.c
endif
