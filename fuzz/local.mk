# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libFuzzer targets:  ./configure CC=clang --enable-fuzz --enable-sanitize && make fuzz-smoke
# A room adds its own with += here.  The corpus of fuzz/fuzz-X is fuzz/corpus/X.tar, which
# tools/fuzz-corpus adds to; it is unpacked to fuzz/unpacked/X where it is built.
FUZZ_SECONDS = 60
fuzz_programs =

fuzz_programs += fuzz/fuzz-qcow2-decode fuzz/fuzz-qcow2-header fuzz/fuzz-qcow2-map
fuzz_programs += fuzz/fuzz-source-response
fuzz_programs += fuzz/fuzz-unwrap
fuzz_programs += fuzz/fuzz-checksum-file

fuzz_corpora = $(fuzz_programs:fuzz/fuzz-%=fuzz/corpus/%.tar)
EXTRA_DIST += $(fuzz_corpora)

if FUZZ
noinst_PROGRAMS += $(fuzz_programs)
noinst_DATA = fuzz/unpacked/all
endif

fuzz/unpacked/all: $(fuzz_corpora)
	$(AM_V_GEN)rm -rf fuzz/unpacked && $(MKDIR_P) fuzz/unpacked && \
	  for corpus in $(fuzz_corpora:%=$(top_srcdir)/%); do tar -xf $$corpus -C fuzz/unpacked || exit 1; done && \
	  touch $@
clean-local-fuzz:
	rm -rf fuzz/unpacked
clean-local: clean-local-fuzz

fuzz_fuzz_qcow2_decode_SOURCES = fuzz/fuzz-qcow2-decode.c
fuzz_fuzz_qcow2_decode_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_qcow2_decode_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_qcow2_decode_LDADD = librooms.la
fuzz_fuzz_qcow2_header_SOURCES = fuzz/fuzz-qcow2-header.c
fuzz_fuzz_qcow2_header_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_qcow2_header_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_qcow2_header_LDADD = librooms.la
fuzz_fuzz_qcow2_map_SOURCES = fuzz/fuzz-qcow2-map.c
fuzz_fuzz_qcow2_map_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_qcow2_map_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_qcow2_map_LDADD = librooms.la
fuzz_fuzz_source_response_SOURCES = fuzz/fuzz-source-response.c
fuzz_fuzz_source_response_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_source_response_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_source_response_LDADD = librooms.la
fuzz_fuzz_checksum_file_SOURCES = fuzz/fuzz-checksum-file.c
fuzz_fuzz_checksum_file_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_checksum_file_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_checksum_file_LDADD = librooms.la
fuzz_fuzz_unwrap_SOURCES = fuzz/fuzz-unwrap.c
fuzz_fuzz_unwrap_CPPFLAGS = $(AM_CPPFLAGS)
fuzz_fuzz_unwrap_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_fuzz_unwrap_LDADD = librooms.la

# Every target for FUZZ_SECONDS, from its corpus, with make -j2 two at a time; what is found new is
# left in fuzz/found.
fuzz_smokes = $(fuzz_programs:=.smoke)
if FUZZ
fuzz-smoke: $(fuzz_smokes)
$(fuzz_smokes): $(fuzz_programs) fuzz/unpacked/all
	@name=$$(basename $@ .smoke | sed 's/^fuzz-//') && $(MKDIR_P) fuzz/found/$$name && \
	  ASAN_OPTIONS=quarantine_size_mb=32:$$ASAN_OPTIONS ./fuzz/fuzz-$$name \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=131072 -timeout=60 -rss_limit_mb=1024 \
	    -verbosity=0 -print_final_stats=1 -artifact_prefix=fuzz/found/$$name- \
	    fuzz/found/$$name fuzz/unpacked/$$name
else
fuzz-smoke:
	@echo "configure with CC=clang --enable-fuzz --enable-sanitize first" >&2; exit 1
endif
.PHONY: fuzz-smoke $(fuzz_smokes) clean-local-fuzz
