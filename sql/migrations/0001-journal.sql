-- 0001: the journal.  Released migrations are never edited (tests/unit/t-journal-sql pins their
-- bytes): what must change is a new file.  doc/journal-format.md explains every column.
--
-- An import has a small number NO.  Rows of segment, extent, zero_run, event and sample have
-- the key (no << 40) + ord, with ord from 0: appending is cheap, and no index beside the table's
-- own is needed.  Offsets and lengths are bytes unless a column says sectors (of 512 bytes).

PRAGMA application_id = 1902734704; -- 'qimp'

CREATE TABLE import (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,               -- UUID
  state TEXT NOT NULL,                   -- as the process that wrote it last saw it
  target TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_identity TEXT NOT NULL,         -- '' until the target was made
  options TEXT NOT NULL,                 -- NAME=VALUE lines that hold at resume
  snapshot TEXT NOT NULL,
  format_features TEXT NOT NULL,
  layers INTEGER NOT NULL,
  stream INTEGER NOT NULL,               -- 1: read without ranges, sealed a piece at a time
  keep_holes INTEGER NOT NULL,           -- 1: --unallocated keep
  digests INTEGER NOT NULL,              -- 1: segments get a SHA-256
  hash_image INTEGER NOT NULL,           -- 1: the image file gets a SHA-256
  expect_sha256 TEXT NOT NULL,           -- what that must be, or ''
  virtual_size INTEGER NOT NULL,
  cluster_size INTEGER NOT NULL,
  started_at INTEGER NOT NULL,           -- this and other times: ms since 1970 UTC
  tool TEXT NOT NULL,                    -- version that began it
  host TEXT NOT NULL,                    -- machine that began it, and who did
  user TEXT NOT NULL,
  -- the map
  sealed INTEGER NOT NULL DEFAULT 0,     -- 1: complete; it never changes any more
  segments INTEGER NOT NULL DEFAULT 0,
  extents INTEGER NOT NULL DEFAULT 0,
  zero_runs INTEGER NOT NULL DEFAULT 0,
  guest_total INTEGER NOT NULL DEFAULT 0,
  need_max INTEGER NOT NULL DEFAULT 0,
  image_total INTEGER NOT NULL DEFAULT 0,
  map_digest BLOB,
  -- progress: running totals
  segments_committed INTEGER NOT NULL DEFAULT 0,
  guest_committed INTEGER NOT NULL DEFAULT 0,
  fetched INTEGER NOT NULL DEFAULT 0,
  zero_ord INTEGER NOT NULL DEFAULT 0,   -- zero runs before this one are committed,
  zero_off INTEGER NOT NULL DEFAULT 0,   -- and so many bytes of it
  done_to INTEGER NOT NULL DEFAULT 0,    -- segments before this one need no more work
  image_hashed_to INTEGER NOT NULL DEFAULT 0,
  image_hash BLOB,                       -- state of the SHA-256 of the image file
  image_sha256 TEXT NOT NULL DEFAULT '',
  root_digest TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 1,
  error_code TEXT NOT NULL DEFAULT '',
  error_message TEXT NOT NULL DEFAULT '',
  updated_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL DEFAULT 0,
  -- who works on it: words for people, and what tells whether that process still lives
  holder TEXT NOT NULL DEFAULT '',
  holder_pid INTEGER NOT NULL DEFAULT 0,
  holder_start INTEGER NOT NULL DEFAULT 0,
  holder_boot TEXT NOT NULL DEFAULT ''
);

CREATE TABLE layer (
  key INTEGER PRIMARY KEY,               -- (no << 8) + layer; 0 is the image, 1.. its backing files
  url TEXT NOT NULL,
  url_had_secret INTEGER NOT NULL,
  final_url TEXT NOT NULL,
  format TEXT NOT NULL,
  length INTEGER,                        -- NULL: a pipe
  etag TEXT NOT NULL,
  last_modified TEXT NOT NULL,
  trust INTEGER NOT NULL,                -- 0 strong, 1 weak, 2 length only
  tls_fingerprint TEXT NOT NULL,
  cluster_size INTEGER NOT NULL,
  segment_size INTEGER NOT NULL,
  head_digest BLOB                       -- of header and L1 table
);

CREATE TABLE segment (
  key INTEGER PRIMARY KEY,
  layer INTEGER NOT NULL,
  at INTEGER NOT NULL,                   -- host offset of the piece
  need_from INTEGER NOT NULL,            -- what has to be fetched for it,
  need_to INTEGER NOT NULL,              -- as host offsets
  first_extent INTEGER NOT NULL,
  extents INTEGER NOT NULL,
  guest_bytes INTEGER NOT NULL,
  committed_to INTEGER NOT NULL,         -- plain data before this host offset is committed,
  committed_extents INTEGER NOT NULL DEFAULT 0, -- so many extents entirely,
  committed INTEGER NOT NULL DEFAULT 0,  -- 1: all of it
  digest_final INTEGER NOT NULL DEFAULT 0,
  hash BLOB                              -- SHA-256 of the decoded bytes, or its state
);

CREATE TABLE extent (
  key INTEGER PRIMARY KEY,
  guest INTEGER NOT NULL,                -- sectors
  len INTEGER NOT NULL,                  -- sectors
  host INTEGER NOT NULL,                 -- from segment.at
  stored INTEGER NOT NULL,               -- compressed bytes; 0: plain data, as long as len
  skip INTEGER NOT NULL                  -- decoded bytes of the cluster before guest
);

CREATE TABLE zero_run (
  key INTEGER PRIMARY KEY,
  guest INTEGER NOT NULL,                -- sectors
  len INTEGER NOT NULL,                  -- sectors
  hole INTEGER NOT NULL,                 -- 0: the image says zero; 1: it has nothing there
  layer INTEGER NOT NULL
);

CREATE TABLE event (
  key INTEGER PRIMARY KEY,
  import_id TEXT NOT NULL,
  at TEXT NOT NULL,                      -- RFC 3339, UTC
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  chain BLOB NOT NULL                    -- SHA-256 over the chain before it, and this row
);

-- How far it was when, for a picture: at most one row a second, every other one dropped when
-- there are 600.
CREATE TABLE sample (
  key INTEGER PRIMARY KEY,               -- ord: seconds since the import began
  fetched INTEGER NOT NULL,
  committed INTEGER NOT NULL             -- guest bytes
);

-- The first MiB of a device is written last; until then what belongs there waits here, a row a
-- piece of 64 KiB, stored with the commit that counts it.
CREATE TABLE held (
  key INTEGER PRIMARY KEY,               -- (no << 8) + piece
  bytes BLOB NOT NULL                    -- the piece, and a bit for each sector that is known
);

-- Imports that are gone, but whose rows are not all removed yet.
CREATE TABLE forgotten (
  no INTEGER PRIMARY KEY
);

-- Each run twice: its committed part, and the rest; what is empty falls out.
CREATE VIEW cluster_state AS
  SELECT run.import_id AS import_id,
         run.layer AS layer,
         run.guest + iif (part.committed, 0, run.done) AS guest_offset,
         iif (part.committed, run.done, run.len - run.done) AS length,
         iif (run.stored, 'compressed', 'data') AS kind,
         run.host + iif (part.committed, 0, run.done) AS host_offset,
         CASE WHEN run.stored THEN run.stored
              WHEN part.committed THEN run.done
              ELSE run.len - run.done END AS stored_length,
         part.committed AS committed
    FROM (SELECT i.id AS import_id, s.layer AS layer, e.guest * 512 AS guest,
                 e.len * 512 AS len, s.at + e.host AS host, e.stored AS stored,
                 CASE WHEN s.committed
                           OR e.key - (i.no << 40) - s.first_extent < s.committed_extents
                      THEN e.len * 512
                      WHEN e.stored THEN 0
                      ELSE max (0, min (e.len * 512, s.committed_to - s.at - e.host))
                 END AS done
            FROM import AS i
                 CROSS JOIN segment AS s
                 CROSS JOIN extent AS e
           WHERE (i.sealed OR i.stream)
             AND s.key >= i.no << 40 AND s.key < (i.no + 1) << 40
             AND e.key >= (i.no << 40) + s.first_extent
             AND e.key < (i.no << 40) + s.first_extent + s.extents) AS run
         CROSS JOIN (SELECT 1 AS committed UNION ALL SELECT 0) AS part
   WHERE iif (part.committed, run.done, run.len - run.done) > 0
  UNION ALL
  SELECT run.import_id, run.layer,
         run.guest + iif (part.committed, 0, run.done),
         iif (part.committed, run.done, run.len - run.done),
         'zero', NULL, 0, part.committed
    FROM (SELECT i.id AS import_id, z.layer AS layer, z.guest * 512 AS guest,
                 z.len * 512 AS len,
                 CASE WHEN z.key - (i.no << 40) < i.zero_ord THEN z.len * 512
                      WHEN z.key - (i.no << 40) = i.zero_ord THEN i.zero_off
                      ELSE 0 END AS done
            FROM import AS i
                 CROSS JOIN zero_run AS z
           WHERE i.sealed
             AND z.key >= i.no << 40 AND z.key < (i.no + 1) << 40) AS run
         CROSS JOIN (SELECT 1 AS committed UNION ALL SELECT 0) AS part
   WHERE iif (part.committed, run.done, run.len - run.done) > 0;

CREATE VIEW import_summary AS
  SELECT i.id AS id,
         i.state AS state,
         l.url AS url,
         i.target AS target,
         i.target_kind AS target_kind,
         i.virtual_size AS virtual_size,
         i.cluster_size AS cluster_size,
         l.length AS image_length,
         nullif (l.etag, '') AS image_etag,
         nullif (l.last_modified, '') AS image_last_modified,
         nullif (i.image_sha256, '') AS image_sha256,
         (i.guest_total + i.cluster_size - 1) / nullif (i.cluster_size, 0) AS clusters_total,
         iif (i.guest_committed >= i.guest_total, i.guest_total + i.cluster_size - 1,
              i.guest_committed) / nullif (i.cluster_size, 0) AS clusters_committed,
         i.guest_total AS guest_total,
         i.guest_committed AS guest_committed,
         i.image_total AS image_total,
         i.fetched AS fetched,
         i.segments AS segments_total,
         i.segments_committed AS segments_committed,
         i.attempts AS attempts,
         nullif (i.error_code, '') AS error_code,
         nullif (i.error_message, '') AS error_message,
         strftime ('%Y-%m-%dT%H:%M:%fZ', i.started_at / 1000.0, 'unixepoch') AS started_at,
         strftime ('%Y-%m-%dT%H:%M:%fZ', i.updated_at / 1000.0, 'unixepoch') AS updated_at,
         iif (i.finished_at,
              strftime ('%Y-%m-%dT%H:%M:%fZ', i.finished_at / 1000.0, 'unixepoch'),
              NULL) AS finished_at,
         nullif (i.holder, '') AS holder
    FROM import AS i
         LEFT JOIN layer AS l ON l.key = i.no << 8;

PRAGMA user_version = 1;
