-- The sealed map, and the work on it.  None of these may scan a table.

-- :segment_add
INSERT INTO segment (key, layer, at, need_from, need_to, first_extent, extents, guest_bytes,
       committed_to)
VALUES ((?1 << 40) + ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?5);
-- :extents_add  ?1: struct rows
INSERT INTO extent (key, guest, len, host, stored, skip)
SELECT key, guest, len, host, stored, skip FROM extent_rows (?1);
-- :zero_run_add
INSERT INTO zero_run (key, guest, len, hole, layer) VALUES ((?1 << 40) + ?2, ?3, ?4, ?5, ?6);
-- :segments_copy  of import ?1, from ?3 to before ?4, for import ?2: nothing of it is committed
INSERT INTO segment (key, layer, at, need_from, need_to, first_extent, extents, guest_bytes,
       committed_to)
SELECT key - (?1 << 40) + (?2 << 40), layer, at, need_from, need_to, first_extent, extents,
       guest_bytes, need_from
  FROM segment
 WHERE key >= (?1 << 40) + ?3 AND key < (?1 << 40) + ?4
 ORDER BY key;
-- :extents_copy
INSERT INTO extent (key, guest, len, host, stored, skip)
SELECT key - (?1 << 40) + (?2 << 40), guest, len, host, stored, skip
  FROM extent
 WHERE key >= (?1 << 40) + ?3 AND key < (?1 << 40) + ?4
 ORDER BY key;
-- :zero_runs_copy
INSERT INTO zero_run (key, guest, len, hole, layer)
SELECT key - (?1 << 40) + (?2 << 40), guest, len, hole, layer
  FROM zero_run
 WHERE key >= (?1 << 40) + ?3 AND key < (?1 << 40) + ?4
 ORDER BY key;

-- :claim  the next segments with work left: to commit, or for the SHA-256 of the image
SELECT key - (?1 << 40), layer, at, need_from, need_to, first_extent, extents, guest_bytes,
       committed_to, committed_extents, committed, digest_final, hash
  FROM segment
 WHERE key >= (?1 << 40) + max (?2, (SELECT done_to FROM import WHERE no = ?1))
   AND key < (?1 + 1) << 40
   AND (committed = 0
        OR (layer = 0 AND need_to > ?3
            AND at + (SELECT segment_size FROM layer WHERE key = ?1 << 8) > ?3))
 ORDER BY key
 LIMIT ?4;
-- :segments  all of them
SELECT key - (?1 << 40), layer, at, need_from, need_to, first_extent, extents, guest_bytes,
       committed_to, committed_extents, committed, digest_final, hash
  FROM segment
 WHERE key >= (?1 << 40) + ?2 AND key < (?1 + 1) << 40
 ORDER BY key
 LIMIT ?3;
-- :extents  from ?2 on
SELECT guest, len, host, stored, skip, key - (?1 << 40)
  FROM extent
 WHERE key >= (?1 << 40) + ?2 AND key < (?1 + 1) << 40
 ORDER BY key
 LIMIT ?3;
-- :extents_all  the columns of extents, and of their segments
SELECT e.guest, e.len, e.host, e.stored, e.skip, s.layer, s.at
  FROM segment AS s
       CROSS JOIN extent AS e
 WHERE s.key >= ?1 << 40 AND s.key < (?1 + 1) << 40
   AND e.key >= (?1 << 40) + s.first_extent
   AND e.key < (?1 << 40) + s.first_extent + s.extents
 ORDER BY s.key, e.key;
-- :zeros
SELECT guest, len, hole, layer
  FROM zero_run
 WHERE key >= (?1 << 40) + ?2 AND key < (?1 + 1) << 40
 ORDER BY key
 LIMIT ?3;
-- :segment_commit  J1: only after the sync of the target
UPDATE segment
   SET committed_to = ?3, committed_extents = ?4, committed = ?5, digest_final = ?6, hash = ?7
 WHERE key = (?1 << 40) + ?2;
-- :map_each  in guest order; sorted in a temporary file when it is large
SELECT e.guest AS guest, e.len, iif (e.stored, 1, 0), s.layer, s.at + e.host, e.stored, e.skip
  FROM segment AS s
       CROSS JOIN extent AS e
 WHERE s.key >= ?1 << 40 AND s.key < (?1 + 1) << 40
   AND e.key >= (?1 << 40) + s.first_extent
   AND e.key < (?1 << 40) + s.first_extent + s.extents
UNION ALL
SELECT guest, len, 2 + hole, layer, 0, 0, 0
  FROM zero_run
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY 1;
-- :extent_numbers  as they are stored: of a stream, for its witness
SELECT guest, len, host, stored, skip
  FROM extent
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key;
-- :zero_numbers
SELECT guest, len, hole, layer
  FROM zero_run
 WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40
 ORDER BY key;
