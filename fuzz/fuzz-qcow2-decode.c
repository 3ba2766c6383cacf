/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hostile compressed cluster.  The first byte says deflate or zstd, and the cluster size. The
 * libraries that decode are not instrumented: bytes behind the cluster tell of one that writes
 * too far.
 */
#include <stdlib.h>
#include <string.h>

#include "qcow2/qcow2.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

enum { BITS_MAX = 17, GUARD = 64 };

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  static struct qcow2_decoder *decoders[2][BITS_MAX + 1];
  static uint8_t out[(1 << BITS_MAX) + GUARD];
  struct qcow2_decoder **d;
  enum qcow2_compression compression;
  host_off at = { 0 };
  struct error err;
  unsigned bits, i;

  if (n < 2)
    return 0;
  compression = data[0] & 1 ? QCOW2_ZSTD : QCOW2_DEFLATE;
  bits = 9 + (data[0] >> 1) % (BITS_MAX - 8);
  d = &decoders[compression][bits];
  if (*d == NULL && qcow2_decoder_new (d, compression, bits, &err) == -1)
    abort ();
  memset (out + (1 << bits), 0xa5, GUARD);
  if (qcow2_decode (*d, at, data + 1, n - 1, out, &err) == -1
      && (err.code != ERR_IMAGE_MALFORMED || err.text[0] == '\0'))
    abort ();
  for (i = 0; i < GUARD; i++)
    if (out[(1 << bits) + i] != 0xa5)
      abort ();
  return 0;
}
