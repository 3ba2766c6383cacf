# SPDX-License-Identifier: LGPL-2.1-or-later
librooms_la_SOURCES += \
	src/verify/checker.c \
	src/verify/checker.h \
	src/verify/committed.c \
	src/verify/committed.h \
	src/verify/compare.c \
	src/verify/compare.h \
	src/verify/compare_findings.c \
	src/verify/compare_findings.h \
	src/verify/compare_plan.c \
	src/verify/compare_plan.h \
	src/verify/compare_spec.h \
	src/verify/compare_thread.c \
	src/verify/compare_thread.h \
	src/verify/merkle.c \
	src/verify/merkle.h \
	src/verify/mirror_proof.c \
	src/verify/repair.c \
	src/verify/repair.h \
	src/verify/source_samples.c \
	src/verify/target_samples.c \
	src/verify/verify.h
