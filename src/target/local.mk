# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/target/amend.c \
	src/target/amend.h \
	src/target/behind.c \
	src/target/claim.c \
	src/target/device.c \
	src/target/export.c \
	src/target/gpt.c \
	src/target/gpt.h \
	src/target/head.c \
	src/target/identity.c \
	src/target/kept.c \
	src/target/kept.h \
	src/target/lock.c \
	src/target/marker.c \
	src/target/marker.h \
	src/target/nbd.h \
	src/target/open_target.c \
	src/target/open_target.h \
	src/target/overlap.c \
	src/target/part_file.c \
	src/target/place.c \
	src/target/publish.c \
	src/target/read.c \
	src/target/spool.c \
	src/target/spool.h \
	src/target/target.h \
	src/target/write.c
if HAVE_LIBNBD
librooms_la_SOURCES += \
	src/target/nbd_connect.c \
	src/target/nbd_export.c \
	src/target/nbd_export.h \
	src/target/nbd_pump.c
else
librooms_la_SOURCES += src/target/nbd_none.c
endif
