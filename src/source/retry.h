/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * retry: when to try again, and when to give up.  Pure: times come in as milliseconds of a
 * monotonic clock, randomness as a number.  What is worth another try is said by response.h
 * (statuses) and failure.h (what libcurl reports).
 */
#ifndef QIMPORT_SOURCE_RETRY_H
#define QIMPORT_SOURCE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum { RETRY_FIRST_MS = 200, RETRY_MOST_MS = 30000, RETRY_AFTER_MOST_S = 300 };

/* How long to wait before try TRIES (0 is the first repetition): 200 ms doubled each time, at
 * most 30 s, of which a random half (RANDOM: any 32 bits). */
int64_t retry_backoff_ms (unsigned tries, uint32_t random);

/* Time without a new byte, over a whole source. */
struct retry_budget {
  int64_t limit_ms;    /* 0: the first failure is the last */
  int64_t since_ms;    /* when the trouble began; -1: there is none */
  int64_t progress_ms; /* when the last new byte came */
};

void retry_budget_init (struct retry_budget *b, unsigned limit_s, int64_t now_ms);
/* A new byte came. */
void retry_budget_progress (struct retry_budget *b, int64_t now_ms);
/* A request begun at STARTED_MS failed.  False: give up.  Else *WAIT_MS is what BACKOFF_MS and
 * the server's RETRY_AFTER_S (0: none) come to. */
bool retry_budget_allows (struct retry_budget *b, int64_t now_ms, int64_t started_ms,
                          int64_t backoff_ms, unsigned retry_after_s, int64_t *wait_ms);

#endif
