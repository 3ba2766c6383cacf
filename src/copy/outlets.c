/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * outlets: see outlets.h.
 */
#include "copy/outlets.h"

#include <assert.h>

void
outlets_open (struct outlets *o, const struct copy_spec *spec)
{
  unsigned i;

  assert (spec->n_outlets <= COPY_OUTLETS_MAX);
  *o = (struct outlets){ .n = spec->n_outlets };
  pthread_mutex_init (&o->lock, NULL);
  for (i = 0; i < o->n; i++)
    o->item[i] = (struct outlet){ .target = spec->outlets[i].target,
                                  .import_no = spec->outlets[i].import_no };
  if (o->n == 0) {
    o->item[0] = (struct outlet){ .target = spec->target, .import_no = spec->imp->no };
    o->n = 1;
  }
}

void
outlets_close (struct outlets *o)
{
  if (o->n > 0)
    pthread_mutex_destroy (&o->lock);
  o->n = 0;
}

bool
outlets_lives (struct outlets *o, unsigned i, struct error *why)
{
  bool lives;

  pthread_mutex_lock (&o->lock);
  lives = !o->item[i].failed;
  if (!lives && why != NULL)
    *why = o->item[i].why;
  pthread_mutex_unlock (&o->lock);
  return lives;
}

/* WHY the I-th is left out from now on; -1: it was the last one. */
static int
leave_out (struct outlets *o, unsigned i, const struct error *why)
{
  unsigned k, others = 0;

  pthread_mutex_lock (&o->lock);
  for (k = 0; k < o->n; k++)
    others += k != i && !o->item[k].failed;
  if (others > 0 && !o->item[i].failed) {
    o->item[i].failed = true;
    o->item[i].why = *why;
  }
  pthread_mutex_unlock (&o->lock);
  return others > 0 ? 0 : -1;
}

bool
outlets_all_read_zero (struct outlets *o)
{
  unsigned i;

  for (i = 0; i < o->n; i++)
    if (outlets_lives (o, i, NULL) && !target_reads_zero (o->item[i].target))
      return false;
  return true;
}

bool
outlets_some_read_zero (struct outlets *o)
{
  unsigned i;

  for (i = 0; i < o->n; i++)
    if (outlets_lives (o, i, NULL) && target_reads_zero (o->item[i].target))
      return true;
  return false;
}

/* A stop is for all of them: then none is left out. */
static int
left_out (struct outlets *o, unsigned i, const struct error *err)
{
  return err->code == ERR_INTERRUPTED ? -1 : leave_out (o, i, err);
}

int
outlets_write (struct outlets *o, struct gather *g, uint64_t *wrote, struct error *err)
{
  unsigned i;

  *wrote = 0;
  for (i = 0; i < o->n; i++) {
    uint64_t n = 0;
    int rc = 0;

    if (outlets_lives (o, i, NULL))
      rc = gather_write (g, o->item[i].target, &n, err);
    *wrote = max_u64 (*wrote, n);
    if (rc == -1 && left_out (o, i, err) == -1)
      return -1;
  }
  return 0;
}

int
outlets_zero (struct outlets *o, guest_off at, uint64_t len, const atomic_bool *stop,
              struct error *err)
{
  unsigned i;

  for (i = 0; i < o->n; i++) {
    struct target *t = o->item[i].target;

    if (outlets_lives (o, i, NULL) && !target_reads_zero (t)
        && target_zero (t, at, len, stop, err) == -1 && left_out (o, i, err) == -1)
      return -1;
  }
  return 0;
}

/* ---- Sync -------------------------------------------------------------------------------- */

struct syncing {
  pthread_t thread;
  bool asked, runs;
  struct target *target;
  int rc;
  struct error err;
};

static void *
sync_one (void *syncing)
{
  struct syncing *s = syncing;

  s->rc = target_sync (s->target, &s->err);
  return NULL;
}

/* Disks sync beside each other: together they take as long as the slowest. */
static void
sync_together (struct syncing *s, unsigned n)
{
  unsigned i;

  for (i = 1; i < n; i++)
    s[i].runs = s[i].asked && pthread_create (&s[i].thread, NULL, sync_one, &s[i]) == 0;
  for (i = 0; i < n; i++)
    if (s[i].asked && !s[i].runs)
      sync_one (&s[i]);
  for (i = 1; i < n; i++)
    if (s[i].runs)
      pthread_join (s[i].thread, NULL);
}

int
outlets_sync (struct outlets *o, struct error *err)
{
  struct syncing s[COPY_OUTLETS_MAX] = { 0 };
  unsigned i;

  for (i = 0; i < o->n; i++) {
    s[i].asked = outlets_lives (o, i, NULL);
    s[i].target = o->item[i].target;
  }
  sync_together (s, o->n);
  for (i = 0; i < o->n; i++)
    if (s[i].rc == -1 && leave_out (o, i, &s[i].err) == -1) {
      *err = s[i].err;
      return -1;
    }
  return 0;
}
