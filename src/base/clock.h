/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clock: how long (monotonic; every decision uses this one) and what time it is (for records
 * only).
 */
#ifndef QIMPORT_BASE_CLOCK_H
#define QIMPORT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
clock_ms (clockid_t id)
{
  struct timespec t;

  clock_gettime (id, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline int64_t
monotonic_ms (void)
{
  return clock_ms (CLOCK_MONOTONIC);
}

static inline int64_t
wall_ms (void)
{
  return clock_ms (CLOCK_REALTIME);
}

#endif
