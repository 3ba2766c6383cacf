# SPDX-License-Identifier: LGPL-2.1-or-later
bin_PROGRAMS += qimport
qimport_SOURCES = \
	src/cli/arguments.c \
	src/cli/arguments.h \
	src/cli/audit.c \
	src/cli/bar.c \
	src/cli/bar.h \
	src/cli/commands.c \
	src/cli/commands.h \
	src/cli/describe.c \
	src/cli/describe.h \
	src/cli/display.c \
	src/cli/display.h \
	src/cli/forget.c \
	src/cli/help.c \
	src/cli/help.h \
	src/cli/human.c \
	src/cli/human.h \
	src/cli/imports.c \
	src/cli/imports.h \
	src/cli/info.c \
	src/cli/jobs.c \
	src/cli/jobs.h \
	src/cli/json.c \
	src/cli/json.h \
	src/cli/log.c \
	src/cli/main.c \
	src/cli/map.c \
	src/cli/metrics.c \
	src/cli/metrics.h \
	src/cli/near.c \
	src/cli/near.h \
	src/cli/notify.c \
	src/cli/notify.h \
	src/cli/output.c \
	src/cli/output.h \
	src/cli/patience.c \
	src/cli/patience.h \
	src/cli/publisher.c \
	src/cli/publisher.h \
	src/cli/reading.c \
	src/cli/reading.h \
	src/cli/report.c \
	src/cli/resume.c \
	src/cli/secret.c \
	src/cli/secret.h \
	src/cli/start.c \
	src/cli/status.c \
	src/cli/stop.c \
	src/cli/stop.h \
	src/cli/table.c \
	src/cli/table.h

pkglibexec_PROGRAMS += qcow-stream-tool
qcow_stream_tool_SOURCES = src/cli/stream_tool.c
qcow_stream_tool_CPPFLAGS = $(AM_CPPFLAGS)
qcow_stream_tool_LDADD = libqimport.la

qimport_CPPFLAGS = $(AM_CPPFLAGS)
qimport_CFLAGS = $(AM_CFLAGS)
qimport_LDADD = libqimport.la
