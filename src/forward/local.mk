# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/forward/forward.c \
	src/forward/forward.h \
	src/forward/forward_spec.h \
	src/forward/stream.c \
	src/forward/stream.h \
	src/forward/stream_check.c \
	src/forward/stream_check.h \
	src/forward/stream_end.c \
	src/forward/stream_map.c \
	src/forward/stream_place.c \
	src/forward/stream_wrapped.c \
	src/forward/wrapped.c \
	src/forward/wrapped.h
