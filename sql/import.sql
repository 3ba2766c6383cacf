-- What an import is.  The columns of import_row, in order, are import_columns of record.c.

-- :import_row
SELECT id, state, target, target_kind, target_identity, options, snapshot, format_features,
       layers, stream, keep_holes, digests, hash_image, expect_sha256, virtual_size,
       cluster_size, started_at,
       sealed, segments, extents, zero_runs, guest_total, need_max, image_total, map_digest,
       segments_committed, guest_committed, fetched, zero_ord, zero_off, image_hashed_to,
       image_hash, image_sha256, root_digest, attempts, error_code, error_message,
       updated_at, finished_at, target_run, target_epoch, zero_total, zero_committed, holder,
       holder_pid, holder_start, holder_boot
  FROM import
 WHERE no = ?1;
-- :import_insert  the first 17 columns of import_row
INSERT INTO import (id, state, target, target_kind, target_identity, options, snapshot,
       format_features, layers, stream, keep_holes, digests, hash_image, expect_sha256,
       virtual_size, cluster_size, started_at,
       updated_at, tool, host, user, holder, holder_pid, holder_start, holder_boot)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
        ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24);
-- :import_next
SELECT no FROM import WHERE no > ?1 ORDER BY no LIMIT 1;
-- :import_by_id
SELECT no FROM import WHERE id = ?1;
-- :import_by_prefix  of hexadecimal digits and dashes, all of which sort before g
SELECT no FROM import WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY no LIMIT 2;
-- :import_by_target  the newest
SELECT max (no) FROM import WHERE target = ?1;
-- :import_unfinished
SELECT no FROM import WHERE target = ?1 AND state <> 'complete' ORDER BY no DESC LIMIT 1;
-- :import_holder
SELECT holder_pid, holder_start, holder_boot, holder, id FROM import WHERE no = ?1;
-- :import_hold
UPDATE import
   SET state = ?2, attempts = attempts + 1, updated_at = ?3,
       holder = ?4, holder_pid = ?5, holder_start = ?6, holder_boot = ?7
 WHERE no = ?1;
-- :import_release  only what this process holds
UPDATE import
   SET state = ?2, error_code = ?3, error_message = ?4, updated_at = ?5,
       holder = '', holder_pid = 0, holder_start = 0, holder_boot = ''
 WHERE no = ?1 AND holder_pid = ?6 AND holder_start = ?7;
-- :import_hold_audit  nothing of it changes but who has it
UPDATE import
   SET holder = ?2, holder_pid = ?3, holder_start = ?4, holder_boot = ?5
 WHERE no = ?1;
-- :import_release_audit
UPDATE import
   SET holder = '', holder_pid = 0, holder_start = 0, holder_boot = ''
 WHERE no = ?1 AND holder_pid = ?2 AND holder_start = ?3;
-- :import_set_options
UPDATE import SET options = ?2, updated_at = ?3, expect_sha256 = ?4 WHERE no = ?1;
-- :import_set_target
UPDATE import SET target_identity = ?2, state = 'copying', updated_at = ?3 WHERE no = ?1;
-- :import_set_root
UPDATE import SET root_digest = ?2, updated_at = ?3 WHERE no = ?1;
-- :import_restart  a part file is made anew; what is written in place must be the same
UPDATE import
   SET segments_committed = 0, guest_committed = 0, zero_ord = 0, zero_off = 0, done_to = 0,
       zero_committed = 0, image_hashed_to = 0, image_hash = NULL, image_sha256 = '', root_digest = '',
       error_code = '', error_message = '', finished_at = 0, target_run = 0, target_epoch = 0,
       target_identity = iif (target_kind = 'file' AND NOT keep_holes, '', target_identity),
       state = iif (sealed, 'mapped', 'probing'), updated_at = ?2
 WHERE no = ?1;
-- :import_drop_held  but what a target that is kept held before stays, until it is back there
DELETE FROM held
 WHERE key >= ?1 << 8 AND key < (?1 + 1) << 8
   AND (key & 255 >= 128 OR (SELECT NOT keep_holes FROM import WHERE no = ?1));
-- :import_unseal  after import_restart
UPDATE import
   SET sealed = 0, segments = 0, extents = 0, zero_runs = 0, guest_total = 0, need_max = 0,
       zero_total = 0, image_total = 0, map_digest = NULL, state = 'probing'
 WHERE no = ?1;
-- :import_seal
UPDATE import
   SET sealed = 1, segments = ?2, extents = ?3, zero_runs = ?4, guest_total = ?5,
       need_max = ?6, image_total = ?7, map_digest = ?8, updated_at = ?9, hash_image = ?10,
       zero_total = ?11,
       state = iif (target_identity = '', 'mapped', state)
 WHERE no = ?1 AND NOT sealed;
-- :import_take  a stream's map grows by a segment; totals are what its tables tell by now
UPDATE import
   SET segments = ?2 + 1, extents = extents + ?3, guest_total = max (guest_total, ?4),
       need_max = max (need_max, ?5), updated_at = ?6, zero_total = max (zero_total, ?7),
       image_total = max (image_total, ?8)
 WHERE no = ?1 AND segments = ?2 AND NOT sealed;
-- :import_commit  new values; only while this process holds it
UPDATE import
   SET segments_committed = ?2, guest_committed = ?3, fetched = ?4, zero_ord = ?5,
       zero_off = ?6, done_to = ?7, image_hashed_to = ?8, image_hash = ?9, updated_at = ?10,
       target_run = ?13, target_epoch = ?14, zero_committed = ?15, state = 'copying'
 WHERE no = ?1 AND holder_pid = ?11 AND holder_start = ?12;
-- :import_stream  after a restart it may be read in another way
UPDATE import SET stream = ?2 WHERE no = ?1 AND NOT sealed;
-- :import_complete
UPDATE import
   SET state = 'complete', image_sha256 = ?2, finished_at = ?3, updated_at = ?3,
       error_code = '', error_message = '',
       holder = '', holder_pid = 0, holder_start = 0, holder_boot = ''
 WHERE no = ?1 AND sealed AND segments_committed = segments AND zero_ord = zero_runs;
-- :import_delete
DELETE FROM import WHERE no = ?1;

-- :layer_row  the columns are layer_columns of record.c
SELECT url, url_had_secret, final_url, format, length, etag, last_modified, trust,
       tls_fingerprint, cluster_size, segment_size, head_digest
  FROM layer
 WHERE key = (?1 << 8) + ?2;
-- :layer_put
INSERT OR REPLACE INTO layer (url, url_had_secret, final_url, format, length, etag,
       last_modified, trust, tls_fingerprint, cluster_size, segment_size, head_digest, key)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, (?13 << 8) + ?14);
-- :layer_delete
DELETE FROM layer WHERE key >= ?1 << 8 AND key < (?1 + 1) << 8;

-- :held_put
INSERT OR REPLACE INTO held (key, bytes) VALUES ((?1 << 8) + ?2, ?3);
-- :held_get
SELECT bytes FROM held WHERE key = (?1 << 8) + ?2;
-- :held_done  but what was changed of the target on purpose stays
DELETE FROM held WHERE key >= ?1 << 8 AND key < (?1 << 8) + 128;
-- :held_delete
DELETE FROM held WHERE key >= ?1 << 8 AND key < (?1 + 1) << 8;

-- :event_add
INSERT INTO event (key, import_id, at, kind, detail, chain)
SELECT coalesce ((SELECT max (key) FROM event
                   WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40) + 1, ?1 << 40),
       id, ?2, ?3, ?4, ?5
  FROM import
 WHERE no = ?1;
-- :event_last  the head of the chain
SELECT chain
  FROM event
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key DESC
 LIMIT 1;
-- :event_chain  what each link is made of
SELECT at, kind, detail, chain
  FROM event
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key;
-- :facts  what an import was, once it is complete: none of it changes any more
SELECT json_array (i.id, i.target, i.target_kind, i.target_identity, i.snapshot,
                   i.format_features, i.layers, i.stream, i.keep_holes, i.digests,
                   i.expect_sha256, i.virtual_size, i.cluster_size, i.started_at, i.finished_at,
                   i.tool, i.host, i.user, i.segments, i.extents, i.zero_runs, i.guest_total,
                   i.image_total, i.fetched, i.attempts, i.image_sha256,
                   (SELECT json_group_array (json (row))
                      FROM (SELECT json_array (url, final_url, format, length, etag,
                                               last_modified, trust, tls_fingerprint,
                                               cluster_size, segment_size,
                                               hex (head_digest)) AS row
                              FROM layer
                             WHERE key >= i.no << 8 AND key < (i.no + 1) << 8
                             ORDER BY key)))
  FROM import AS i
 WHERE i.no = ?1;
-- :event_rows
SELECT CAST (strftime ('%s', at) AS INTEGER) * 1000 + CAST (substr (at, 21, 3) AS INTEGER),
       kind, detail
  FROM event
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key;

-- :sample_add  one a second
INSERT OR IGNORE INTO sample (key, fetched, committed)
SELECT (no << 40) + max (0, (?2 - started_at) / 1000), ?3, ?4
  FROM import
 WHERE no = ?1;
-- :sample_thin
DELETE FROM sample
 WHERE key IN (SELECT key
                 FROM (SELECT key, row_number () OVER (ORDER BY key) AS place
                         FROM sample
                        WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40)
                WHERE place % 2 = 0)
   AND (SELECT count (*) FROM sample WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40) > 600;
-- :sample_rows
SELECT key - (?1 << 40), fetched, committed
  FROM sample
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key;
-- :sample_delete  there are never more than 600
DELETE FROM sample WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40;

-- :forgotten_add
INSERT INTO forgotten (no) VALUES (?1);
-- :forgotten_next
SELECT no FROM forgotten LIMIT 1;
-- :forgotten_done
DELETE FROM forgotten WHERE no = ?1;
-- :event_purge  the first 20000 rows; likewise the next three
DELETE FROM event
 WHERE key >= (SELECT min (key) FROM event WHERE key >= ?1 << 40)
   AND key < (SELECT min (key) FROM event WHERE key >= ?1 << 40) + 20000
   AND key < (?1 + 1) << 40;
-- :extent_purge
DELETE FROM extent
 WHERE key >= (SELECT min (key) FROM extent WHERE key >= ?1 << 40)
   AND key < (SELECT min (key) FROM extent WHERE key >= ?1 << 40) + 20000
   AND key < (?1 + 1) << 40;
-- :segment_purge
DELETE FROM segment
 WHERE key >= (SELECT min (key) FROM segment WHERE key >= ?1 << 40)
   AND key < (SELECT min (key) FROM segment WHERE key >= ?1 << 40) + 20000
   AND key < (?1 + 1) << 40;
-- :zero_run_purge
DELETE FROM zero_run
 WHERE key >= (SELECT min (key) FROM zero_run WHERE key >= ?1 << 40)
   AND key < (SELECT min (key) FROM zero_run WHERE key >= ?1 << 40) + 20000
   AND key < (?1 + 1) << 40;
