# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/api/describe_image.c \
	src/api/document.c \
	src/api/document.h \
	src/api/findings.c \
	src/api/public.c \
	src/api/queries.c \
	src/api/report_map.c \
	src/api/report_page.c \
	src/api/report_page.h \
	src/api/report_rate.c
