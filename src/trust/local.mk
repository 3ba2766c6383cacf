# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/trust/armor.c \
	src/trust/armor.h \
	src/trust/checksum_file.c \
	src/trust/checksum_file.h \
	src/trust/checksum_json.c \
	src/trust/checksum_json.h \
	src/trust/checksum_lines.c \
	src/trust/checksum_lines.h \
	src/trust/checksum_name.c \
	src/trust/checksum_name.h \
	src/trust/checksum_search.c \
	src/trust/checksum_search.h \
	src/trust/checksum_set.h \
	src/trust/clear_signed.c \
	src/trust/clear_signed.h \
	src/trust/gpgv_status.c \
	src/trust/gpgv_status.h \
	src/trust/json_reader.c \
	src/trust/json_reader.h \
	src/trust/signature.c \
	src/trust/signature.h \
	src/trust/span.h
