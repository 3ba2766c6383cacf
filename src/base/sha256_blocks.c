/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sha256_blocks: see sha256_blocks.h.
 */
#include "base/sha256_blocks.h"

#include <stdlib.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>

#define SHA __attribute__ ((target ("sha,sse4.1")))
#define INLINE SHA __attribute__ ((always_inline)) static inline

/* What the processor has: asked once, since a virtual machine's answer takes its time. */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool here;

static void
ask (void)
{
  unsigned a, b, c, d;

  if (!__get_cpuid (1, &a, &b, &c, &d) || (c & bit_SSE4_1) == 0)
    return;
  here = __get_cpuid_count (7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
}

bool
sha256_blocks_here (void)
{
  pthread_once (&asked, ask);
  return here;
}

static const uint32_t constants[16][4] __attribute__ ((aligned (16))) = {
  { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5 },
  { 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5 },
  { 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3 },
  { 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174 },
  { 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc },
  { 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da },
  { 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7 },
  { 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967 },
  { 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13 },
  { 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85 },
  { 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3 },
  { 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070 },
  { 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5 },
  { 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3 },
  { 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208 },
  { 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 },
};

/* A state as the instructions want it. */
struct state {
  __m128i abef, cdgh;
};

/* The last sixteen words of a message's schedule. */
struct schedule {
  __m128i w[4];
};

INLINE struct state
load (const uint32_t words[8])
{
  __m128i cdab = _mm_shuffle_epi32 (_mm_loadu_si128 ((const __m128i *)words), 0xB1);
  __m128i efgh = _mm_shuffle_epi32 (_mm_loadu_si128 ((const __m128i *)(words + 4)), 0x1B);

  return (struct state){ _mm_alignr_epi8 (cdab, efgh, 8), _mm_blend_epi16 (efgh, cdab, 0xF0) };
}

INLINE void
store (uint32_t words[8], struct state s)
{
  __m128i feba = _mm_shuffle_epi32 (s.abef, 0x1B);
  __m128i dchg = _mm_shuffle_epi32 (s.cdgh, 0xB1);

  _mm_storeu_si128 ((__m128i *)words, _mm_blend_epi16 (feba, dchg, 0xF0));
  _mm_storeu_si128 ((__m128i *)(words + 4), _mm_alignr_epi8 (dchg, feba, 8));
}

/* Words 4 I to 4 I + 3, with their constants added. */
INLINE __m128i
next_words (struct schedule *s, const uint8_t *block, int i)
{
  const __m128i swap = _mm_set_epi64x (0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i *w = s->w, sum;

  if (i < 4) {
    w[i] = _mm_shuffle_epi8 (_mm_loadu_si128 ((const __m128i *)(block + 16 * i)), swap);
  } else {
    sum = _mm_add_epi32 (_mm_sha256msg1_epu32 (w[i & 3], w[(i + 1) & 3]),
                         _mm_alignr_epi8 (w[(i + 3) & 3], w[(i + 2) & 3], 4));
    w[i & 3] = _mm_sha256msg2_epu32 (sum, w[(i + 3) & 3]);
  }
  return _mm_add_epi32 (w[i & 3], _mm_load_si128 ((const __m128i *)constants[i]));
}

/* Two rounds, by the first two of WORDS. */
INLINE void
rounds (struct state *s, __m128i words)
{
  __m128i cdgh = s->abef;

  s->abef = _mm_sha256rnds2_epu32 (s->cdgh, s->abef, words);
  s->cdgh = cdgh;
}

/* The other two of four words. */
INLINE __m128i
other (__m128i words)
{
  return _mm_shuffle_epi32 (words, 0x0E);
}

INLINE struct state
sum (struct state a, struct state b)
{
  return (struct state){ _mm_add_epi32 (a.abef, b.abef), _mm_add_epi32 (a.cdgh, b.cdgh) };
}

#define SIXTEEN(X) \
  X (0)            \
  X (1)            \
  X (2) X (3) X (4) X (5) X (6) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14) X (15)

SHA void
sha256_blocks_one (uint32_t state[8], const uint8_t *p, size_t n)
{
  struct state s = load (state);

  for (; n > 0; n--, p += SHA256_BLOCK) {
    struct state was = s;
    struct schedule m;
    __m128i words;

#define X(i)                     \
  words = next_words (&m, p, i); \
  rounds (&s, words);            \
  rounds (&s, other (words));
    SIXTEEN (X)
#undef X
    s = sum (s, was);
  }
  store (state, s);
}

SHA void
sha256_blocks_two (uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb, size_t n)
{
  struct state s = load (a), t = load (b);

  for (; n > 0; n--, pa += SHA256_BLOCK, pb += SHA256_BLOCK) {
    struct state s_was = s, t_was = t;
    struct schedule ma, mb;
    __m128i wa, wb;

#define X(i)                    \
  wa = next_words (&ma, pa, i); \
  wb = next_words (&mb, pb, i); \
  rounds (&s, wa);              \
  rounds (&t, wb);              \
  rounds (&s, other (wa));      \
  rounds (&t, other (wb));
    SIXTEEN (X)
#undef X
    s = sum (s, s_was);
    t = sum (t, t_was);
  }
  store (a, s);
  store (b, t);
}

SHA void
sha256_blocks_both (uint32_t a[8], uint32_t b[8], const uint8_t *p, size_t n)
{
  struct state s = load (a), t = load (b);

  for (; n > 0; n--, p += SHA256_BLOCK) {
    struct state s_was = s, t_was = t;
    struct schedule m;
    __m128i words;

#define X(i)                     \
  words = next_words (&m, p, i); \
  rounds (&s, words);            \
  rounds (&t, words);            \
  words = other (words);         \
  rounds (&s, words);            \
  rounds (&t, words);
    SIXTEEN (X)
#undef X
    s = sum (s, s_was);
    t = sum (t, t_was);
  }
  store (a, s);
  store (b, t);
}

#else

bool
sha256_blocks_here (void)
{
  return false;
}

void
sha256_blocks_one (uint32_t state[8], const uint8_t *p, size_t n)
{
  (void)state;
  (void)p;
  (void)n;
  abort ();
}

void
sha256_blocks_two (uint32_t a[8], const uint8_t *pa, uint32_t b[8], const uint8_t *pb, size_t n)
{
  (void)pa;
  sha256_blocks_one (a, pb, n);
  (void)b;
}

void
sha256_blocks_both (uint32_t a[8], uint32_t b[8], const uint8_t *p, size_t n)
{
  (void)b;
  sha256_blocks_one (a, p, n);
}

#endif
