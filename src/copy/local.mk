# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/copy/committer.c \
	src/copy/committer.h \
	src/copy/copy.c \
	src/copy/copy.h \
	src/copy/copy_spec.h \
	src/copy/decoders.c \
	src/copy/decoders.h \
	src/copy/facts.h \
	src/copy/hash_pair.c \
	src/copy/hash_pair.h \
	src/copy/image_hash.c \
	src/copy/image_hash.h \
	src/copy/pool.c \
	src/copy/pool.h \
	src/copy/progress.c \
	src/copy/progress.h \
	src/copy/request_run.c \
	src/copy/request_run.h \
	src/copy/request_size.c \
	src/copy/request_size.h \
	src/copy/requests.c \
	src/copy/requests.h \
	src/copy/segment_writer.c \
	src/copy/segment_writer.h \
	src/copy/slot.c \
	src/copy/slot.h \
	src/copy/supply.c \
	src/copy/supply.h \
	src/copy/team.c \
	src/copy/team.h \
	src/copy/worker.c \
	src/copy/worker.h \
	src/copy/write_gather.c \
	src/copy/write_gather.h \
	src/copy/zeros.c \
	src/copy/zeros.h
