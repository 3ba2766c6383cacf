/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * marker: a target in progress says whose it is (marker.h).
 */
#include "target/marker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/text.h"

#define FIRST_WORDS "qimport: import "

static void
digest_of (char hex[DIGEST_HEX], const void *text, size_t len)
{
  uint8_t sum[DIGEST_SIZE];
  struct digest d;

  digest_init (&d);
  digest_update (&d, text, len);
  digest_peek (&d, sum);
  digest_hex (hex, sum);
}

void
marker_format (const struct marker *m, uint8_t sector[SECTOR])
{
  char text[SECTOR], hex[DIGEST_HEX];
  size_t n;
  unsigned i;

  assert (m->epoch > 0 && m->n_runs > 0 && m->n_runs <= MARKER_RUNS);
  n = (size_t)snprintf (text, sizeof text,
                        FIRST_WORDS "%s in progress, begun %s, journal %s\nepoch %" PRIx64
                                    " runs",
                        m->import, m->begun, m->journal, m->epoch);
  for (i = 0; i < m->n_runs; i++)
    n += (size_t)snprintf (text + n, sizeof text - n, " %08" PRIx32 ":%" PRIx64, m->runs[i].run,
                           m->runs[i].from);
  n += (size_t)snprintf (text + n, sizeof text - n, "\n");
  digest_of (hex, text, n);
  n += (size_t)snprintf (text + n, sizeof text - n, "sha256 %s\n", hex);
  assert (n < sizeof text);
  memset (sector, 0, SECTOR);
  memcpy (sector, text, n);
}

/* The digest is right, so the rest is as marker_format wrote it; but not more than fits. */
static bool
parse_runs (struct marker *m, const char *p)
{
  int used;

  for (m->n_runs = 0; *p == ' '; p += used, m->n_runs++) {
    struct marker_run *r = &m->runs[m->n_runs];

    if (m->n_runs == MARKER_RUNS
        || sscanf (p, " %" SCNx32 ":%" SCNx64 "%n", &r->run, &r->from, &used) != 2)
      return false;
  }
  return *p == '\n' && m->n_runs > 0;
}

bool
marker_parse (struct marker *m, const uint8_t sector[SECTOR])
{
  char text[SECTOR + 1], hex[DIGEST_HEX], *sum;
  int used = 0;

  memcpy (text, sector, SECTOR);
  text[SECTOR] = '\0';
  if (strncmp (text, FIRST_WORDS, strlen (FIRST_WORDS)) != 0)
    return false;
  sum = strstr (text, "\nsha256 ");
  if (sum == NULL)
    return false;
  digest_of (hex, text, (size_t)(++sum - text));
  if (strncmp (sum + strlen ("sha256 "), hex, DIGEST_HEX - 1) != 0)
    return false;
  memset (m, 0, sizeof *m);
  return sscanf (text,
                 FIRST_WORDS
                 "%36s in progress, begun %31[^,], journal %111[^\n]\nepoch %" SCNx64 " runs%n",
                 m->import, m->begun, m->journal, &m->epoch, &used)
             == 4
         && used > 0 && m->epoch > 0 && parse_runs (m, text + used);
}

/* The position of RUN, or n_runs. */
static unsigned
position (const struct marker *m, uint32_t run)
{
  unsigned i = 0;

  while (i < m->n_runs && m->runs[i].run != run)
    i++;
  return i;
}

bool
marker_has (const struct marker *m, uint32_t run, uint64_t epoch)
{
  unsigned i = position (m, run);

#ifdef SEEDED_BUG_MARKER_NOT_CHECKED
  return true;
#endif
  if (epoch == 0)
    return true;
  if (i == m->n_runs || epoch < m->runs[i].from)
    return false;
  return i + 1 < m->n_runs ? epoch < m->runs[i + 1].from : epoch <= m->epoch;
}

void
marker_begin_run (struct marker *m, uint32_t after, uint32_t run)
{
  unsigned i = position (m, after);

  m->n_runs = i < m->n_runs ? i + 1 : 0;
  if (m->n_runs == MARKER_RUNS) {
    memmove (m->runs, m->runs + 1, (MARKER_RUNS - 1) * sizeof m->runs[0]);
    m->n_runs--;
  }
  m->runs[m->n_runs++] = (struct marker_run){ run, m->epoch + 1 };
  m->epoch++;
}
