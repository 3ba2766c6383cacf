/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hostile compressed cluster.  The first byte says deflate or zstd, and the cluster size; input
 * and output are buffers of just their size, so that a sanitizer sees one byte too far.
 */
#include <stdlib.h>
#include <string.h>

#include "qcow2/qcow2.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  static struct qcow2_decoder *decoders[2][9];
  struct qcow2_decoder **d;
  enum qcow2_compression compression;
  host_off at = { 0 };
  struct error err;
  unsigned bits;
  uint8_t *in, *out;

  if (n < 2)
    return 0;
  compression = data[0] & 1 ? QCOW2_ZSTD : QCOW2_DEFLATE;
  bits = 9 + (data[0] >> 1) % 9;
  d = &decoders[compression][bits - 9];
  if (*d == NULL && qcow2_decoder_new (d, compression, bits, &err) == -1)
    abort ();
  in = malloc (n - 1);
  out = malloc ((size_t)1 << bits);
  if (in == NULL || out == NULL)
    abort ();
  memcpy (in, data + 1, n - 1);
  if (qcow2_decode (*d, at, in, n - 1, out, &err) == -1
      && (err.code != ERR_IMAGE_MALFORMED || err.text[0] == '\0'))
    abort ();
  free (in);
  free (out);
  return 0;
}
