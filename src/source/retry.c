/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * retry: see retry.h.
 */
#include "source/retry.h"

int64_t
retry_backoff_ms (unsigned tries, uint32_t random)
{
  int64_t most = tries < 8 ? (int64_t)RETRY_FIRST_MS << tries : RETRY_MOST_MS;

  if (most > RETRY_MOST_MS)
    most = RETRY_MOST_MS;
  return most / 2 + (int64_t)(random % (uint32_t)(most / 2 + 1));
}

void
retry_budget_init (struct retry_budget *b, unsigned limit_s, int64_t now_ms)
{
  b->limit_ms = (int64_t)limit_s * 1000;
  b->since_ms = -1;
  b->progress_ms = now_ms;
}

void
retry_budget_progress (struct retry_budget *b, int64_t now_ms)
{
  b->since_ms = -1;
  b->progress_ms = now_ms;
}

/* Trouble begins when the failed request was sent or, if bytes came meanwhile, with the last
 * of them: a pause of the caller's between requests is not the network's fault. */
bool
retry_budget_allows (struct retry_budget *b, int64_t now_ms, int64_t started_ms,
                     int64_t backoff_ms, unsigned retry_after_s, int64_t *wait_ms)
{
  int64_t after_ms, left_ms;

  if (b->since_ms == -1)
    b->since_ms = started_ms > b->progress_ms ? started_ms : b->progress_ms;
  left_ms = b->limit_ms - (now_ms - b->since_ms);
  if (left_ms <= 0)
    return false;
  if (retry_after_s > RETRY_AFTER_MOST_S)
    retry_after_s = RETRY_AFTER_MOST_S;
  after_ms = (int64_t)retry_after_s * 1000;
  if (after_ms > left_ms)
    return false;
  *wait_ms = backoff_ms > after_ms ? backoff_ms : after_ms;
  /* one last try at the very end, rather than none */
  if (*wait_ms > left_ms)
    *wait_ms = left_ms;
  return true;
}
