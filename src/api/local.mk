# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/api/describe.c \
	src/api/findings.c \
	src/api/json.c \
	src/api/json.h \
	src/api/public.c \
	src/api/queries.c \
	src/api/report.c \
	src/api/report.h \
	src/api/report_map.c \
	src/api/report_rate.c
