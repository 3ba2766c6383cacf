/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report_page: what was imported and how it went, as one page for people: no scripts, nothing
 * that is loaded from elsewhere.  Reads the journal only.
 */
#include "api/report_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "import/import.h"

/* Longer lists of events lose their middle. */
enum { LINES_MAX = 50, LINES_FIRST = 16 };

void
html_text (FILE *out, const char *text)
{
  for (; *text != '\0'; text++)
    switch (*text) {
    case '&':
      fputs ("&amp;", out);
      break;
    case '<':
      fputs ("&lt;", out);
      break;
    case '>':
      fputs ("&gt;", out);
      break;
    case '"':
      fputs ("&quot;", out);
      break;
    case '\'':
      fputs ("&#39;", out);
      break;
    default:
      fputc (*text, out);
    }
}

/* ---- Events -------------------------------------------------------------------------------
 */

/* Events that follow one another and are of one kind are one line. */
struct line {
  struct journal_event_row first;
  unsigned n;
};

struct story {
  struct line *line;
  size_t n, gone; /* GONE: how many lost their place in the middle */
  char verdict[sizeof ((struct journal_event_row *)NULL)->detail]; /* of the last audit */
  bool repaired;
  unsigned retries, interruptions;
  char checksum[sizeof ((struct journal_event_row *)NULL)->detail]; /* the last one's origin */
};

static bool
folds (const char *kind)
{
  return strcmp (kind, "retry") == 0 || strcmp (kind, "redirected") == 0
         || strcmp (kind, "mirror") == 0 || strcmp (kind, "warning") == 0;
}

static void
add_line (struct story *s, const struct journal_event_row *e)
{
  if (s->n > 0 && folds (e->kind) && strcmp (s->line[s->n - 1].first.kind, e->kind) == 0) {
    s->line[s->n - 1].n++;
    return;
  }
  if (s->n == LINES_MAX) { /* the middle goes */
    memmove (&s->line[LINES_FIRST], &s->line[LINES_FIRST + 1],
             (LINES_MAX - LINES_FIRST - 1) * sizeof *s->line);
    s->n--;
    s->gone++;
  }
  s->line[s->n] = (struct line){ *e, 1 };
  s->n++;
}

static int
add_event (void *ctx, const struct journal_event_row *e, struct error *err)
{
  struct story *s = ctx;

  (void)err;
  if (strcmp (e->kind, "committed") == 0)
    return 0;
  if (strcmp (e->kind, "checksum") == 0)
    snprintf (s->checksum, sizeof s->checksum, "%s", e->detail);
  s->retries += strcmp (e->kind, "retry") == 0;
  s->interruptions += strcmp (e->kind, "interrupted") == 0;
  if (strcmp (e->kind, "audited") == 0 || strcmp (e->kind, "repaired") == 0) {
    snprintf (s->verdict, sizeof s->verdict, "%s", e->detail);
    s->repaired = e->kind[0] == 'r';
  }
  add_line (s, e);
  return 0;
}

/* The digests stand elsewhere on the page. */
static void
print_detail (FILE *out, const struct journal_event_row *e)
{
  size_t n = strcmp (e->kind, "completed") == 0 ? 0 : strcspn (e->detail, ";");
  char words[sizeof e->detail];

  if (strstr (e->detail, "; root=") == NULL && n > 0)
    n = strlen (e->detail);
  snprintf (words, sizeof words, "%.*s", (int)n, e->detail);
  html_text (out, words);
}

static void
print_line (FILE *out, const struct line *l)
{
  char at[32];

  format_time (at, l->first.at);
  at[10] = ' ';
  at[19] = '\0';
  fprintf (out, "<tr><td class=\"t\">%s</td><td class=\"k\">", at);
  html_text (out, l->first.kind);
  if (l->n > 1)
    fprintf (out, " <b>&times;%u</b>", l->n);
  fputs ("</td><td class=\"w\">", out);
  print_detail (out, &l->first);
  fputs ("</td></tr>\n", out);
}

static void
print_events (FILE *out, const struct story *s)
{
  size_t i;

  fputs ("<section><h2>What happened</h2>\n<table class=\"events\">\n", out);
  for (i = 0; i < s->n; i++) {
    if (i == LINES_FIRST && s->gone > 0)
      fprintf (
          out,
          "<tr><td colspan=\"3\" class=\"gone\">%zu more; qimport log shows all</td></tr>\n",
          s->gone);
    print_line (out, &s->line[i]);
  }
  fputs ("</table></section>\n", out);
}

/* ---- The verdict --------------------------------------------------------------------------
 */

struct verdict {
  const char *class, *title;
  char words[1200];
};

static void
judge_complete (const struct story *s, struct verdict *v)
{
  bool differs = strncmp (s->verdict, "differs", 7) == 0;

  v->class = differs ? "bad" : "good";
  if (differs)
    v->title = "Differs from what was imported";
  else if (s->verdict[0] == '\0')
    v->title = "Complete";
  else
    v->title = s->repaired ? "Complete, repaired and audited" : "Complete and audited";
  snprintf (v->words, sizeof v->words, "%s",
            differs ? s->verdict
            : s->verdict[0] != '\0'
                ? "The disk was read back and is what was imported, to the byte."
                : "Every byte was written and synced. The disk was not read "
                  "back yet: qimport audit does that.");
}

static void
judge (const struct journal_import *imp, const struct story *s, struct verdict *v)
{
  v->words[0] = '\0';
  switch (imp->now.state) {
  case IMPORT_COMPLETE:
    judge_complete (s, v);
    return;
  case IMPORT_FAILED:
    v->class = "bad";
    v->title = "Failed";
    break;
  case IMPORT_INTERRUPTED:
    v->class = "wait";
    v->title = "Interrupted";
    break;
  case IMPORT_PROBING:
  case IMPORT_MAPPED:
  case IMPORT_COPYING:
    v->class = "wait";
    v->title = "Not complete yet";
    break;
  }
  snprintf (v->words, sizeof v->words, "%s",
            imp->now.error_message[0] != '\0' && imp->now.state == IMPORT_FAILED
                ? imp->now.error_message
                : "What is committed stays; qimport resume goes on.");
}

/* ---- Facts --------------------------------------------------------------------------------
 */

static void
fact (FILE *out, const char *name, const char *value)
{
  if (value[0] == '\0')
    return;
  fprintf (out, "<dt>%s</dt><dd>", name);
  html_text (out, value);
  fputs ("</dd>\n", out);
}

static void
fact_hex (FILE *out, const char *name, const char *value)
{
  fprintf (out, "<dt>%s</dt><dd class=\"hex\">", name);
  html_text (out, value[0] != '\0' ? value : "not known");
  fputs ("</dd>\n", out);
}

static void
fact_time (FILE *out, const char *name, int64_t at)
{
  char text[32];

  if (at == 0)
    return;
  format_time (text, at);
  text[10] = ' ';
  snprintf (text + 19, sizeof text - 19, " UTC");
  fact (out, name, text);
}

static const char *
trust_words (unsigned trust)
{
  return trust == SOURCE_TRUST_STRONG ? "by a strong validator"
         : trust == SOURCE_TRUST_WEAK ? "by a weak validator, which proves little"
                                      : "by its length only";
}

static void
print_facts (FILE *out, const struct journal_import *imp, const struct journal_layer *l,
             const struct story *s)
{
  char a[24], b[24], line[256];

  fputs ("<section><h2>From and to</h2><dl>\n", out);
  fact (out, "image", l->url);
  if (strcmp (l->final_url, l->url) != 0)
    fact (out, "served by", l->final_url);
  fact (out, "known again", trust_words (l->trust));
  fact (out, "server's certificate", l->tls_fingerprint);
  fact (out, "target", imp->target);
  snprintf (line, sizeof line, "%s (%" PRIu64 " bytes)", format_size (a, imp->virtual_size),
            imp->virtual_size);
  fact (out, "size of the disk", line);
  snprintf (line, sizeof line, "%s of %s",
            format_size (a, imp->now.guest_committed - imp->now.zero_committed),
            format_size (b, imp->guest_total - imp->zero_total));
  fact (out, "committed", line);
  snprintf (line, sizeof line, "%s of %s", format_size (a, imp->now.zero_committed),
            format_size (b, imp->zero_total));
  fact (out, "zeros", line);
  fact (out, "received", format_size (a, imp->now.fetched));
  snprintf (line, sizeof line, "%" PRIu64 " (interruptions: %u, retries: %u)",
            imp->now.attempts, s->interruptions, s->retries);
  fact (out, "attempts", line);
  fact_time (out, "begun", imp->started_at);
  fact_time (out, "complete", imp->now.finished_at);
  fputs ("</dl></section>\n", out);
}

/* From whom it is known what the image must be: import_expect's words behind the checksum. */
static const char *
publisher (const struct journal_import *imp, const struct story *s)
{
  size_t n = strlen (imp->expect_sha256);

  if (strncmp (s->checksum, imp->expect_sha256, n) != 0 || s->checksum[n] != ' ')
    return "as it was given by hand";
  return s->checksum + n + 1;
}

static void
print_digests (FILE *out, const struct journal_import *imp, const struct story *s)
{
  char hex[DIGEST_HEX];

  fputs ("<section><h2>Digests (SHA-256 where nothing else is said)</h2><dl>\n", out);
  fact_hex (out, "image file", imp->now.image_sha256);
  if (imp->expect_sha256[0] != '\0') {
    fact (out, "checked",
          strcmp (imp->expect_sha256, imp->now.image_sha256) == 0 ? "it is what it must be"
                                                                  : "not yet");
    fact (out, "must be", publisher (imp, s));
  }
  fact_hex (out, "root of the disk", imp->now.root_digest);
  fact_hex (out, "map", imp->sealed ? digest_hex (hex, imp->map_digest) : "");
  fputs ("</dl></section>\n", out);
}

/* ---- The page -----------------------------------------------------------------------------
 */

static const char head[]
    = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
      ":root{--bg:#fff;--fg:#1d2329;--dim:#5d6873;--line:#d8dee4;--data:#2563a8;--comp:#12877c;"
      "--zero:#c3ccd5;--hole:#e9edf1;--good:#12743b;--bad:#b3261e;--wait:#8a5a00}\n"
      "@media (prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e4e8ec;--dim:#9aa5b0;"
      "--line:#323a42;--data:#5b9be0;--comp:#35b5a7;--zero:#4a545e;--hole:#262d34;"
      "--good:#5cc98a;--bad:#ff8a80;--wait:#f0bb55}}\n"
      "*{box-sizing:border-box}body{margin:0 auto;padding:1.25rem;max-width:60rem;"
      "background:var(--bg);color:var(--fg);font:16px/1.45 system-ui,sans-serif}\n"
      "h1{font-size:1.15rem;font-weight:600;margin:0 0 .75rem;overflow-wrap:anywhere}"
      "h2{font-size:1rem;margin:1.75rem 0 .5rem}\n"
      ".verdict{border-left:.35rem solid;padding:.6rem .9rem;margin:0;"
      "background:color-mix(in srgb,currentColor 8%,transparent)}"
      ".verdict b{display:block;font-size:1.35rem;line-height:1.25}"
      ".verdict span{color:var(--fg);overflow-wrap:anywhere}\n"
      ".good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}\n"
      "svg.map,svg.rate{display:block;width:100%;border:1px solid var(--line)}"
      "svg.rate{height:9rem}\n"
      ".d{fill:var(--data)}.c{fill:var(--comp)}.z{fill:var(--zero)}.h{fill:var(--hole)}"
      ".o{opacity:.35}.area{fill:var(--data)}"
      ".stop{stroke:var(--bad);stroke-width:2}\n"
      ".pause{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 4}\n"
      ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.5rem 0 0;color:var(--dim);"
      "font-size:.85rem}.key{width:.8em;height:.8em;vertical-align:-.05em}\n"
      "dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.3rem 1rem;margin:0}"
      "dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}"
      ".hex{font-family:ui-monospace,monospace;font-size:.85rem}\n"
      "table{border-collapse:collapse;width:100%;font-size:.85rem}"
      "td{padding:.25rem .75rem .25rem 0;vertical-align:top;border-top:1px solid var(--line)}"
      ".t,.k{white-space:nowrap}.t,.gone{color:var(--dim)}.w{overflow-wrap:anywhere;width:100%}"
      "\n"
      "footer{margin-top:1.75rem;color:var(--dim);font-size:.8rem;overflow-wrap:anywhere}\n"
      "@media (max-width:34rem){dl{display:block}dd{margin-bottom:.5rem}"
      ".events tr{display:block;border-top:1px solid var(--line);padding:.35rem 0}"
      ".events td{display:inline-block;border:0;padding:0 .75rem 0 0}"
      ".events .w{display:block}}\n"
      "@media print{@page{size:A4;margin:14mm}:root{--bg:#fff;--fg:#000;--dim:#444}"
      "body{font-size:9.5pt;padding:0;max-width:none}h2{margin:1.1em 0 .3em}"
      "svg.map{max-height:70mm}svg.rate{height:25mm}table{font-size:7.5pt;line-height:1.3}"
      "td{padding:.05rem .5rem .05rem 0}"
      ".events "
      ".w{max-width:0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}tr{break-"
      "inside:avoid}h2{break-after:avoid}"
      "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n"
      "</style>\n<title>";

static const char *
last_part (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

static void
print_top (FILE *out, const struct journal_import *imp, const struct journal_layer *l,
           const struct story *s)
{
  struct verdict v;

  judge (imp, s, &v);
  fputs (head, out);
  html_text (out, v.title);
  fputs (": ", out);
  html_text (out, last_part (imp->target));
  fputs ("</title></head>\n<body>\n<h1>", out);
  html_text (out, last_part (l->url));
  fputs (" &rarr; ", out);
  html_text (out, imp->target);
  fprintf (out, "</h1>\n<p class=\"verdict %s\"><b>", v.class);
  html_text (out, v.title);
  fputs ("</b><span>", out);
  html_text (out, v.words);
  fputs ("</span></p>\n", out);
}

static int
print_page (FILE *out, struct journal *j, const struct journal_import *imp,
            const struct journal_layer *l, const struct story *s, struct error *err)
{
  char now[32];

  print_top (out, imp, l, s);
  if (report_map (out, j, imp, err) == -1 || report_rate (out, j, imp, err) == -1)
    return -1;
  print_facts (out, imp, l, s);
  print_digests (out, imp, s);
  print_events (out, s);
  fprintf (
      out,
      "<footer>Import %s, as the journal had it at %s. qimport %s. The receipt of the "
      "import has all of this for programs, and the head of the chain of events.</footer>\n"
      "</body></html>\n",
      imp->id, format_time (now, wall_ms ()), qimport_version ());
  return 0;
}

static int
make_report (struct journal *j, const char *id, char **html, struct error *err)
{
  OWN_MEM struct journal_import *imp = malloc (sizeof *imp);
  OWN_MEM struct journal_layer *layer = malloc (sizeof *layer);
  OWN_MEM struct line *lines = calloc (LINES_MAX, sizeof *lines);
  struct story story = { .line = lines };
  size_t size;
  FILE *out;
  int rc;

  if (imp == NULL || layer == NULL || lines == NULL)
    return fail_memory (err, "a report");
  if (import_find (j, id, imp, err) == -1 || journal_get_layer (j, imp->no, 0, layer, err) == -1
      || journal_events (j, imp, add_event, &story, err) == -1)
    return -1;
  out = open_memstream (html, &size);
  if (out == NULL)
    return fail_memory (err, "a report");
  rc = print_page (out, j, imp, layer, &story, err);
  if (fclose (out) == 0 && rc == 0)
    return 0;
  free (*html);
  *html = NULL;
  return rc == -1 ? -1 : fail_memory (err, "a report");
}

int
qimport_report (struct qimport_journal *j, const char *id, char **html,
                struct qimport_error *error)
{
  struct error err;

  *html = NULL;
  return make_report (j->journal, id, html, &err) == -1 ? publish_error (error, &err) : 0;
}
