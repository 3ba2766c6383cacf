# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/source/address.c \
	src/source/credentials.c \
	src/source/doubt.c \
	src/source/endpoint.c \
	src/source/engine.h \
	src/source/failure.c \
	src/source/fetch.c \
	src/source/local_file.c \
	src/source/login.c \
	src/source/mirror.c \
	src/source/open_source.c \
	src/source/outcome.c \
	src/source/pace.c \
	src/source/probe.c \
	src/source/proxy.c \
	src/source/rate.c \
	src/source/rate.h \
	src/source/read_forward.c \
	src/source/read_ranges.c \
	src/source/recall.c \
	src/source/refusal.c \
	src/source/refusal.h \
	src/source/request.c \
	src/source/response.c \
	src/source/response.h \
	src/source/retry.c \
	src/source/retry.h \
	src/source/share.c \
	src/source/source.h \
	src/source/transfer.c
