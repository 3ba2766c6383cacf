# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/qcow2/decode.c \
	src/qcow2/extensions.c \
	src/qcow2/glance.c \
	src/qcow2/header.c \
	src/qcow2/layout.h \
	src/qcow2/looks.c \
	src/qcow2/qcow2.h \
	src/qcow2/snapshot.c \
	src/qcow2/tables.c
