/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mutex: a lock that knows who holds it, so that "with the lock held" is an assertion and not a
 * comment.  On in every build: it costs a store.
 */
#ifndef QIMPORT_BASE_MUTEX_H
#define QIMPORT_BASE_MUTEX_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mutex {
  pthread_mutex_t pthread;
  _Atomic pthread_t owner; /* 0: nobody */
};

/* By this thread; what another one does meanwhile cannot make it true. */
static inline bool
mutex_held (struct mutex *m)
{
  pthread_t owner = atomic_load_explicit (&m->owner, memory_order_relaxed);

  return owner != (pthread_t)0 && pthread_equal (owner, pthread_self ());
}

static inline void
mutex_init (struct mutex *m)
{
  pthread_mutex_init (&m->pthread, NULL);
  atomic_init (&m->owner, (pthread_t)0);
}

static inline void
mutex_release (struct mutex *m)
{
  assert (atomic_load (&m->owner) == (pthread_t)0);
  pthread_mutex_destroy (&m->pthread);
}

static inline void
mutex_lock (struct mutex *m)
{
  assert (!mutex_held (m));
  pthread_mutex_lock (&m->pthread);
  atomic_store_explicit (&m->owner, pthread_self (), memory_order_relaxed);
}

static inline void
mutex_unlock (struct mutex *m)
{
  assert (mutex_held (m));
  atomic_store_explicit (&m->owner, (pthread_t)0, memory_order_relaxed);
  pthread_mutex_unlock (&m->pthread);
}

/* Until COND is signalled, or something else woke it. */
static inline void
mutex_wait (struct mutex *m, pthread_cond_t *cond)
{
  assert (mutex_held (m));
  atomic_store_explicit (&m->owner, (pthread_t)0, memory_order_relaxed);
  pthread_cond_wait (cond, &m->pthread);
  atomic_store_explicit (&m->owner, pthread_self (), memory_order_relaxed);
}

/* The same, and no longer than UNTIL_MS of the monotonic clock, which COND must go by. */
static inline void
mutex_wait_until (struct mutex *m, pthread_cond_t *cond, int64_t until_ms)
{
  struct timespec t = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

  assert (mutex_held (m));
  atomic_store_explicit (&m->owner, (pthread_t)0, memory_order_relaxed);
  pthread_cond_timedwait (cond, &m->pthread, &t);
  atomic_store_explicit (&m->owner, pthread_self (), memory_order_relaxed);
}

#endif
