-- The staging database: a temporary file of one process, in which a large map is collected.

-- :stage_fast  it is thrown away after a crash
PRAGMA journal_mode = OFF;
-- :stage_cache  KiB
PRAGMA cache_size = -4096;
-- :stage_table_schema
CREATE TABLE tab (
  layer INTEGER, at INTEGER, len INTEGER, what TEXT,
  PRIMARY KEY (layer, at)
) WITHOUT ROWID;
-- :stage_zero_schema
CREATE TABLE zero (guest INTEGER, len INTEGER, hole INTEGER, layer INTEGER);
-- :stage_extent_schema  appended as they come, sorted at the end
CREATE TABLE ext (layer INTEGER, host INTEGER, guest INTEGER, len INTEGER, stored INTEGER,
                  skip INTEGER);
-- :stage_extent_schema_stream  found by host offset at any time
CREATE TABLE ext (
  layer INTEGER, host INTEGER, guest INTEGER, len INTEGER, stored INTEGER, skip INTEGER,
  taken INTEGER DEFAULT 0,
  PRIMARY KEY (layer, host, guest)
) WITHOUT ROWID;
-- :stage_begin
BEGIN;
-- :stage_extent
INSERT INTO ext (layer, host, guest, len, stored, skip) VALUES (?1, ?2, ?3, ?4, ?5, ?6);
-- :stage_table
INSERT INTO tab (layer, at, len, what) VALUES (?1, ?2, ?3, ?4);
-- :stage_zero
INSERT INTO zero (guest, len, hole, layer) VALUES (?1, ?2, ?3, ?4);
-- :stage_extents_as_they_came
SELECT layer, host, guest, len, stored, skip FROM ext ORDER BY rowid;
-- :stage_extents_sorted
SELECT layer, host, guest, len, stored, skip FROM ext ORDER BY layer, host, guest;
-- :stage_tables
SELECT layer, at, len, what FROM tab ORDER BY layer, at;
-- :stage_table_before  the last one that starts before ?2
SELECT layer, at, len, what FROM tab WHERE layer = ?1 AND at < ?2 ORDER BY at DESC LIMIT 1;
-- :stage_zeros_as_they_came
SELECT guest, len, hole, layer FROM zero ORDER BY rowid;
-- :stage_zeros_sorted
SELECT guest, len, hole, layer FROM zero ORDER BY guest;
-- :stage_pending  a stream's extents that are of no segment yet
SELECT layer, host, guest, len, stored, skip
  FROM ext
 WHERE layer = ?1 AND host >= ?2 AND host < ?3 AND taken = 0
 ORDER BY host, guest;
-- :stage_take
UPDATE ext SET taken = 1 WHERE layer = ?1 AND host >= ?2 AND host < ?3 AND taken = 0;
