/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy-fixture: all that a copy works with, small and real, in a scratch directory: an image in
 * a file, a journal with its sealed map, a target.  A test lays the image out extent by extent,
 * and the fixture knows what the disk must be.
 */
#ifndef TESTS_UNIT_COPY_FIXTURE_H
#define TESTS_UNIT_COPY_FIXTURE_H

#include "copy/copy.h" /* before cmocka.h, which has a macro named fail */
#include "copy/image_hash.h"
#include "copy/outlets.h"
#include "journal-fixture.h"

#include <libdeflate.h>

enum { KIB = 1024, MIB = 1 << 20, SCENE_EXTENTS = 512, SCENE_SEGMENT = MIB };

struct scene {
  struct fixture *f;
  char image[320], disk[320];
  uint8_t *bytes, *want; /* the image, and what the disk must be */
  uint64_t len, size;
  struct extent map[SCENE_EXTENTS];
  size_t n;
  struct extent *kept;
  struct source *sources[1];
  struct source_options source_options;
  struct target *target;
  struct layer_format format;
  atomic_bool stop, may_commit, check_over;
  struct copy_spec spec;
  struct error err;
};

#define must(sc, call)                            \
  do {                                            \
    if ((call) != 0)                              \
      fail_msg ("%s: %s", #call, (sc)->err.text); \
  } while (0)

#define must_fail(sc, call, want_code)                                             \
  do {                                                                             \
    assert_int_equal ((call), -1);                                                 \
    if ((sc)->err.code != (want_code))                                             \
      fail_msg ("%s: %s: %s", #call, error_word ((sc)->err.code), (sc)->err.text); \
  } while (0)

/* ---- The image ----------------------------------------------------------------------------
 */

/* Of LEN bytes, none of which is used yet; the disk has SIZE, and is all zeros. */
static inline struct scene *
scene_new (uint64_t len, uint64_t size)
{
  struct scene *sc = calloc (1, sizeof *sc);
  void *f = NULL;
  uint64_t i, x = 88172645463325252u;

  assert_non_null (sc);
  assert_int_equal (fixture_setup (&f), 0);
  sc->f = f;
  sc->len = len;
  sc->size = size;
  sc->bytes = malloc (len);
  sc->want = calloc (1, size);
  assert_true (sc->bytes != NULL && sc->want != NULL);
  for (i = 0; i < len; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    sc->bytes[i] = (uint8_t)x;
  }
  snprintf (sc->image, sizeof sc->image, "%s/image", sc->f->dir);
  snprintf (sc->disk, sizeof sc->disk, "%s/disk", sc->f->dir);
  sc->format.cluster_bits = 16;
  sc->source_options = (struct source_options){ .connections = 4, .stop = &sc->stop };
  atomic_store (&sc->may_commit, true);
  fixture_describe (sc->f, size);
  sc->f->imp.digests = DIGESTS_ALL;
  sc->f->layers[0].length = len;
  sc->f->layers[0].segment_size = SCENE_SEGMENT;
  return sc;
}

static inline void
scene_data (struct scene *sc, uint64_t guest, uint64_t len, uint64_t host)
{
  assert_true (sc->n < SCENE_EXTENTS && host + len <= sc->len && guest + len <= sc->size);
  sc->map[sc->n++] = data_at (guest, len, host);
  memcpy (sc->want + guest, sc->bytes + host, len);
}

/* A cluster of text.  Returns how many bytes it is stored in. */
static inline uint64_t
scene_compressed (struct scene *sc, uint64_t guest, uint64_t host)
{
  struct libdeflate_compressor *c = libdeflate_alloc_compressor (6);
  size_t i, stored;

  assert_non_null (c);
  for (i = 0; i < CLUSTER; i++)
    sc->want[guest + i]
        = (uint8_t)("some text of a cluster"[i % 22] ^ (i / 512 + guest / 4096));
  stored = libdeflate_deflate_compress (c, sc->want + guest, CLUSTER, sc->bytes + host,
                                        sc->len - host);
  libdeflate_free_compressor (c);
  assert_true (stored > 0 && sc->n < SCENE_EXTENTS);
  sc->map[sc->n++] = compressed_at (guest, host, stored);
  return stored;
}

static inline void
scene_zero (struct scene *sc, uint64_t guest, uint64_t len)
{
  assert_true (sc->n < SCENE_EXTENTS);
  sc->map[sc->n++] = zero_at (EXTENT_ZERO, guest, len);
}

/* Data, compressed clusters and zeros in turn: eight segments, out of guest order. */
static inline struct scene *
scene_ordinary (void)
{
  struct scene *sc = scene_new (8 * MIB, 16 * MIB);
  unsigned i;

  for (i = 0; i < 8; i++) {
    uint64_t guest = (uint64_t)((i * 5 + 3) % 8) * 2 * MIB, host = (uint64_t)i * MIB, at;

    scene_data (sc, guest, 512 * KIB, host + CLUSTER);
    at = host + 640 * KIB;
    at += scene_compressed (sc, guest + 512 * KIB, at);
    scene_compressed (sc, guest + 512 * KIB + CLUSTER, at);
    scene_zero (sc, guest + 640 * KIB, 2 * MIB - 640 * KIB);
  }
  return sc;
}

/* ---- Journal, target, source ---------------------------------------------------------------
 */

static inline struct target_spec
scene_target_spec (const struct scene *sc)
{
  return (struct target_spec){ .path = sc->disk,
                               .virtual_size = sc->size,
                               .import_uuid = sc->f->imp.id,
                               .known = { (uint32_t)sc->f->imp.now.target_run,
                                          sc->f->imp.now.target_epoch } };
}

static inline void
scene_open_source (struct scene *sc)
{
  struct source_identity found;
  uint8_t head[512];
  size_t n;

  source_close (sc->sources[0]);
  sc->sources[0] = NULL;
  must (sc, source_open (&sc->sources[0], sc->image, &sc->source_options, &sc->err));
  must (sc,
        source_probe (sc->sources[0], NULL, false, &found, head, sizeof head, &n, &sc->err));
}

static inline void
scene_write_image (const struct scene *sc)
{
  FILE *file = fopen (sc->image, "w");

  assert_non_null (file);
  assert_int_equal (fwrite (sc->bytes, 1, sc->len, file), sc->len);
  assert_int_equal (fclose (file), 0);
}

static inline void
scene_seal (struct scene *sc)
{
  OWN (journal_map) map = NULL;
  size_t i, n;

  must (sc, journal_map_begin (&map, sc->f->j, &sc->f->imp, sc->f->layers, &sc->err));
  for (i = 0; i < sc->n; i++)
    must (sc, journal_map_add (map, &sc->map[i], &sc->err));
  must (sc, journal_map_seal (map, &sc->f->imp, &sc->err));
  sc->kept = journal_map_keep (map, &n);
  sc->spec.extents = sc->kept;
  sc->spec.n_extents = n;
}

/* Up to where a copy begins; change sc->spec before copy_open. */
static inline void
scene_begin (struct scene *sc)
{
  struct target_spec t;

  scene_write_image (sc);
  fixture_open (sc->f);
  must (sc, journal_begin (sc->f->j, &sc->f->imp, sc->f->layers, &sc->err));
  sc->spec = (struct copy_spec){ .journal = sc->f->j,
                                 .imp = &sc->f->imp,
                                 .formats = &sc->format,
                                 .sources = sc->sources,
                                 .connections = 4,
                                 .workers = 2,
                                 .memory = 32 * MIB,
                                 .commit_interval_ms = 200,
                                 .stop = &sc->stop,
                                 .may_commit = &sc->may_commit,
                                 .check_over = &sc->check_over };
  scene_seal (sc);
  t = scene_target_spec (sc);
  must (sc, target_create (&sc->target, &t, &sc->err));
  must (sc, journal_set_target (sc->f->j, sc->f->imp.no, target_identity (sc->target)->text,
                                &sc->err));
  must (sc, target_claim (sc->target, &sc->err));
  sc->spec.target = sc->target;
  scene_open_source (sc);
}

static inline void
scene_restore_held (struct scene *sc)
{
  static uint8_t bytes[TARGET_HELD_SIZE];
  unsigned i;

  for (i = 0; i < TARGET_HELD_PIECES; i++) {
    int rc = journal_held (sc->f->j, sc->f->imp.no, i, bytes, sizeof bytes, &sc->err);

    assert_int_not_equal (rc, -1);
    if (rc == 0)
      must (sc, target_held_restore (sc->target, i, bytes, sizeof bytes, &sc->err));
  }
}

/* As another process would go on: nothing is known but what the journal has. */
static inline void
scene_again (struct scene *sc)
{
  struct target_spec t;
  char id[JOURNAL_ID_SIZE];
  struct target_identity known;

  target_close (sc->target);
  sc->target = NULL;
  must (sc, journal_release (sc->f->j, sc->f->imp.no, IMPORT_INTERRUPTED, NULL, &sc->err));
  snprintf (id, sizeof id, "%s", sc->f->imp.id);
  must (sc, journal_find (sc->f->j, id, &sc->f->imp, &sc->err));
  must (sc, journal_hold (sc->f->j, &sc->f->imp, &sc->err));
  t = scene_target_spec (sc);
  snprintf (known.text, sizeof known.text, "%s", sc->f->imp.target_identity);
  must (sc, target_reopen (&sc->target, &t, &known, NULL, &sc->err));
  scene_restore_held (sc);
  must (sc, target_claim (sc->target, &sc->err));
  sc->spec.target = sc->target;
  sc->spec.extents = NULL;
  sc->spec.n_extents = 0;
  scene_open_source (sc);
}

/* ---- The parts of a copy, without its threads -----------------------------------------------
 */

struct parts {
  struct copy_facts facts;
  struct outlets outlets;
  struct team team;
  struct progress progress;
  struct pool pool;
  struct image_hash image_hash;
  struct journal_reader *reader;
  unsigned woken;
};

static inline void
parts_woken (void *ctx)
{
  ((struct parts *)ctx)->woken++;
}

/* Of SC, which has begun; the lock is held. */
static inline struct parts *
parts_new (struct scene *sc)
{
  struct parts *p = calloc (1, sizeof *p);

  assert_non_null (p);
  p->facts.spec = sc->spec;
  p->facts.imp = sc->f->imp;
  p->facts.spec.imp = &p->facts.imp;
  outlets_open (&p->outlets, &p->facts.spec);
  p->facts.outlets = &p->outlets;
  p->facts.image_len = sc->len;
  p->facts.segment_size = sc->f->layers[0].segment_size;
  team_init (&p->team, parts_woken, p);
  progress_open (&p->progress, &p->team, &p->facts.imp);
  must (sc, pool_open (&p->pool, &p->team, 4, 2 * p->facts.segment_size, &sc->err));
  must (sc, image_hash_open (&p->image_hash, &p->facts, &p->team, &sc->err));
  must (sc, journal_reader_open (&p->reader, sc->f->path, sc->f->imp.no, &sc->err));
  mutex_lock (&p->team.lock);
  return p;
}

static inline void
parts_close (struct parts *p)
{
  mutex_unlock (&p->team.lock);
  journal_reader_close (p->reader);
  pool_close (&p->pool);
  progress_close (&p->progress);
  outlets_close (&p->outlets);
  team_release (&p->team);
  free (p);
}

/* A slot for segment ORD, with its first LEN bytes. */
static inline struct slot *
parts_slot (struct parts *p, struct scene *sc, uint64_t ord, uint64_t len)
{
  struct segment seg;
  struct slot *s;
  size_t n;

  must (sc, journal_segments (p->reader, ord, &seg, 1, &n, &sc->err));
  assert_int_equal (n, 1);
  s = pool_take (&p->pool, &p->facts, &seg, &sc->err);
  assert_non_null (s);
  memcpy (s->buf, sc->bytes + s->base.v, s->len);
  s->net.part[0].asked = true;
  atomic_store (&s->net.part[0].there, min_u64 (len, s->len));
  return s;
}

static inline bool
scene_disk_is_right (struct scene *sc)
{
  uint8_t *is = malloc (sc->size);
  FILE *file;
  bool same;

  assert_non_null (is);
  file = fopen (sc->disk, "r");
  same = file != NULL && fread (is, 1, sc->size, file) == sc->size
         && memcmp (is, sc->want, sc->size) == 0;
  if (file != NULL)
    fclose (file);
  free (is);
  return same;
}

/* The journal takes it for complete, and the disk is what it must be. */
static inline void
scene_finish (struct scene *sc)
{
  must (sc, target_finish (sc->target, &sc->err));
  must (sc, journal_complete (sc->f->j, sc->f->imp.no, "", &sc->err));
  assert_true (scene_disk_is_right (sc));
}

static inline void
scene_close (struct scene *sc)
{
  void *f = sc->f;

  source_close (sc->sources[0]);
  target_close (sc->target);
  free (sc->kept);
  free (sc->bytes);
  free (sc->want);
  fixture_teardown (&f);
  free (sc);
}

#endif
