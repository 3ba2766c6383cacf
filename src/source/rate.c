/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rate: see rate.h.
 */
#include "source/rate.h"

/* What an idle moment may save up, in seconds of the rate. */
static const double burst_s = 0.05;

void
rate_init (struct rate *r, uint64_t per_s, int64_t now_ms)
{
  r->per_s = per_s;
  r->bytes = 0;
  r->at_ms = now_ms;
}

int64_t
rate_wait_ms (struct rate *r, int64_t now_ms)
{
  double per_s = (double)r->per_s;

  if (r->per_s == 0)
    return 0;
  r->bytes += per_s * (double)(now_ms - r->at_ms) / 1000;
  if (r->bytes > per_s * burst_s)
    r->bytes = per_s * burst_s;
  r->at_ms = now_ms;
  return r->bytes >= 0 ? 0 : (int64_t)(-r->bytes * 1000 / per_s) + 1;
}

void
rate_take (struct rate *r, size_t len)
{
  if (r->per_s != 0)
    r->bytes -= (double)len;
}
