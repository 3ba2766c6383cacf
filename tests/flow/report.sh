#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The report is one page that needs nothing else: no script, nothing from elsewhere, every string
# harmless; of a bounded size; it fits a phone, and paper.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"

image deflate 64K
serve
mkdir "$scratch/<b>&'\"x"
hostile="$scratch/<b>&'\"x/<script>alert(1)<"
run qimport start -q "$url" "$hostile"
exits 0 "an import onto a name full of HTML"
run qimport report "$hostile" -o "$scratch/page.html"
exits 0 "its report"

# Well formed in the way of HTML, and of what it may hold.
cat >"$scratch/look.py" <<'END'
import html.parser, re, sys
class Page(html.parser.HTMLParser):
    void = {"meta", "rect", "line", "path", "br"}
    def __init__(self):
        super().__init__()
        self.open, self.bad, self.text, self.tags = [], [], "", []
    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "style", "action") or name.startswith("on"):
                self.bad.append("%s %s=%s" % (tag, name, value))
        if tag not in self.void:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append("</%s>" % tag)
    def handle_data(self, data):
        self.text += data
page = Page()
source = open(sys.argv[1], encoding="utf-8").read()
page.feed(source)
page.close()
for tag in ("script", "b>alert", "img", "link", "iframe", "object", "embed"):
    if tag in page.tags:
        page.bad.append(tag)
if page.open:
    page.bad.append("left open: %s" % page.open)
if re.search(r"url\(|@import|https?://(?!127\.0\.0\.1)", source):
    page.bad.append("something from elsewhere")
for want in sys.argv[2:]:
    if want not in page.text:
        page.bad.append("missing: " + want)
print("\n".join(page.bad))
END
is "$(python3 "$scratch/look.py" "$scratch/page.html" "$hostile" Complete)" "" \
  "is well formed, loads nothing, and shows the name as it is"
run qimport audit -q "$hostile"
run qimport report "$hostile" -o "$scratch/page.html"
is "$(python3 "$scratch/look.py" "$scratch/page.html" "Complete and audited" "$(qimport receipt "$hostile" | jq -r .digests.target_root_sha256)")" "" \
  "after an audit it says so, with the root digest"

# Interrupted: what is committed and what is not look different.
serve 400000
disk=$scratch/slow
"$QIMPORT" start -q --connections 2 "$url" "$disk" &
pid=$!
background
for _ in $(seq 100); do
  [ "$(qimport status "$disk" --json 2>/dev/null | jq .segments.committed)" -ge 3 ] 2>/dev/null && break
  sleep 0.1
done
kill -INT $pid
wait $pid
run qimport report "$disk" -o "$scratch/half.html"
is "$(python3 "$scratch/look.py" "$scratch/half.html" Interrupted "pale: not committed yet")" "" \
  "of an interrupted one it is whole too"
check "and tells where it was interrupted" grep -q 'class="stop"' "$scratch/half.html"
check "some cells are pale" grep -q 'class="[dczh] o"' "$scratch/half.html"
check "and some are not" grep -q 'class="c"' "$scratch/half.html"

# A long story on a huge disk: bounded.  (The journal is altered by hand: it is only looked at.)
id=$(import_of "$hostile" .id)
sqlite3 "$QIMPORT_JOURNAL" "
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
  INSERT INTO event SELECT (SELECT max (key) FROM event WHERE import_id = '$id') + i, '$id',
    '2026-01-02T03:04:05.000Z', CASE i % 3 WHEN 0 THEN 'interrupted' WHEN 1 THEN 'resumed' ELSE 'retry' END,
    'connection reset at <host> offset ' || i || ': a long reason, such as there are; again in 2 s', zeroblob (32) FROM n;
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
  INSERT OR REPLACE INTO sample SELECT ((SELECT no FROM import WHERE id = '$id') << 40) + i * 3 + (i > 250) * 9000,
    i * 30000000 + (i % 7) * 9000000, i * 30000000 FROM n;
  UPDATE import SET virtual_size = 70368744177664 WHERE id = '$id'"
run qimport report "$hostile" -o "$scratch/long.html"
exits 0 "4000 events of a disk of 64 TiB"
check "are a page of less than 200 KB" [ "$(size_of "$scratch/long.html")" -lt 200000 ]
check "that says how many events it leaves out" grep -q "more; qimport log shows all" "$scratch/long.html"
check "and marks the pause in its throughput" grep -q 'class="pause"' "$scratch/long.html"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ] || ! command -v pdfinfo >/dev/null; then
  skip "it fits a phone" "chromium or pdfinfo is not installed"
  skip "it fits two pages of paper" "chromium or pdfinfo is not installed"
else
  browse () {
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
      --user-data-dir="$scratch/browser" "$@" >"$scratch/browser.out" 2>"$scratch/browser.err"
  }
  # No script of its own: a frame as wide as a phone tells how wide the page becomes in it.
  cat >"$scratch/frame.html" <<'END'
<body><iframe id=f width=390 height=800 src="long.html"></iframe><script>
f.onload = () => { document.title = f.contentDocument.documentElement.scrollWidth }</script>
END
  browse --allow-file-access-from-files --virtual-time-budget=5000 --dump-dom "file://$scratch/frame.html"
  width=$(sed -n 's/.*<title>\([0-9]*\)<.*/\1/p' "$scratch/browser.out")
  check "it fits a phone: nothing is wider than 390 pixels (it is ${width:-not known})" \
    [ "${width:-9999}" -le 390 ]
  browse --print-to-pdf="$scratch/long.pdf" "file://$scratch/long.html"
  pages=$(pdfinfo "$scratch/long.pdf" 2>/dev/null | sed -n 's/^Pages: *//p')
  check "it fits two pages of paper (${pages:-none})" [ "${pages:-9}" -le 2 ]
fi
done_testing
