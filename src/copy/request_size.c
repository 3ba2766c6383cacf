/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * request_size: see request_size.h.  Where the numbers come from: HACKING.md.
 */
#include "copy/request_size.h"

enum {
  RUN_NEAR = 2 << 20, /* enough where a round trip costs next to nothing */
  RUN_FIRST = 256 << 10,
  RUN_TRIPS = 16,  /* a request takes so many round trips, at least */
  SLOW_RATE = 256, /* bytes a millisecond of one request */
  NEAR_MS = 3
};

double
request_size_in_time (const struct request_size *s, double rate)
{
  return rate * (double)s->interval_ms * (rate < SLOW_RATE ? 0.25 : 1);
}

/* Of a request's length, given its RATE. */
static uint64_t
bytes_at (const struct request_size *s, double rate, int64_t round_trip_ms)
{
  double trips = rate * (double)round_trip_ms * RUN_TRIPS;
  double bytes = trips > RUN_NEAR ? trips : RUN_NEAR, most = request_size_in_time (s, rate);

  bytes = bytes < most ? bytes : most;
  return bytes < RUN_LEAST ? RUN_LEAST : bytes < RUN_BYTES ? (uint64_t)bytes : RUN_BYTES;
}

/* Nothing is known of a link that brought its first answer at once: where round trips are short
 * requests grow from small ones; elsewhere what is asked for is cut if it turns out too much.
 */
void
request_size_begin (struct request_size *s, int64_t interval_ms, const struct supply_link *link)
{
  s->interval_ms = interval_ms;
  if (link->first_rate > 0)
    s->want = bytes_at (s, link->first_rate, link->round_trip_ms);
  else
    s->want = link->round_trip_ms < NEAR_MS ? RUN_FIRST : RUN_BYTES;
}

/* At once less, but at most twice as much, because servers that limit the rate often let a
 * request's first bytes by. */
void
request_size_learn (struct request_size *s, const struct supply_link *link, uint64_t len,
                    int64_t ms)
{
  uint64_t want;

  s->rate = (double)len / (double)(ms < 1 ? 1 : ms);
  want = bytes_at (s, s->rate, link->round_trip_ms);
  if (want <= s->want || len >= s->want)
    s->want = min_u64 (want, 2 * s->want);
}
