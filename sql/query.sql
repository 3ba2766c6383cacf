-- Questions of people and programs.

-- :status_json  of import ?1, or of all
SELECT iif (?1 IS NULL, json_object ('imports', json_group_array (json (object))), max (object))
  FROM (SELECT json_object (
                 'id', s.id,
                 'state', shown_state (s.state, i.no, i.holder_pid, i.holder_start,
                                        i.holder_boot),
                 'url', s.url,
                 'target', s.target,
                 'target_kind', s.target_kind,
                 'virtual_size', s.virtual_size,
                 'cluster_size', s.cluster_size,
                 'image', json_object ('length', s.image_length, 'etag', s.image_etag,
                                       'last_modified', s.image_last_modified,
                                       'sha256', iif (instr (i.image_sha256, ':'), NULL,
                                                      s.image_sha256),
                                       'checksum',
                                         CASE WHEN i.image_sha256 = '' THEN NULL
                                              WHEN instr (i.image_sha256, ':') THEN i.image_sha256
                                              ELSE 'sha256:' || i.image_sha256 END,
                                       'checksum_from',
                                         CASE WHEN i.expect_sha256 = '' THEN NULL
                                              WHEN i.told LIKE 'image-signed-by=%' THEN 'signature'
                                              WHEN i.told IS NOT NULL THEN 'file'
                                              ELSE 'option' END,
                                       'signed_by',
                                         iif (i.told LIKE 'signed-by=%'
                                              OR i.told LIKE 'image-signed-by=%',
                                              substr (i.told, instr (i.told, '=') + 1,
                                                      instr (i.told, ' ') - instr (i.told, '=') - 1),
                                              NULL)),
                 'clusters', json_object ('total', s.clusters_total,
                                          'committed', s.clusters_committed),
                 'bytes', json_object ('guest_total', s.guest_total,
                                       'guest_committed', s.guest_committed,
                                       'data_total', s.data_total,
                                       'data_committed', s.data_committed,
                                       'image_total', s.image_total, 'fetched', s.fetched),
                 'segments', json_object ('total', s.segments_total,
                                          'committed', s.segments_committed),
                 'percent', CASE WHEN i.work_total = 0 THEN 0
                                 WHEN i.work_done >= i.work_total THEN 100
                                 ELSE min (99.9, CAST (1000.0 * (1.0 * i.work_done / i.work_total)
                                                       AS INTEGER) / 10.0) END,
                 'attempts', s.attempts,
                 'error', iif (s.error_code IS NULL, NULL,
                               json_object ('code', s.error_code,
                                            'message', s.error_message)),
                 'started_at', s.started_at,
                 'updated_at', s.updated_at,
                 'finished_at', s.finished_at) AS object
          FROM (SELECT *,
                       iif (zero_total < guest_total, guest_total - zero_total, guest_total)
                         AS work_total,
                       iif (zero_total < guest_total, guest_committed - zero_committed,
                            guest_committed) AS work_done,
                       (SELECT substr (detail, length (expect_sha256) + 2) FROM event
                         WHERE key >= no << 40 AND key < (no << 40) + 64 AND kind = 'checksum'
                           AND expect_sha256 <> ''
                           AND substr (detail, 1, length (expect_sha256) + 1) = expect_sha256 || ' '
                         ORDER BY key DESC LIMIT 1) AS told
                  FROM import
                 WHERE ?1 IS NULL OR no = ?1) AS i
               CROSS JOIN import_summary AS s
         WHERE s.id = i.id
         ORDER BY i.no);
-- :log_json
SELECT json_object ('id', i.id, 'events',
         (SELECT json_group_array (json_object ('at', at, 'kind', kind, 'detail', detail))
            FROM (SELECT at, kind, detail FROM event
                   WHERE key >= i.no << 40 AND key < (i.no + 1) << 40 ORDER BY key)))
  FROM import AS i
 WHERE i.no = ?1;
-- :receipt_json  told: by import_checksums, of what is expected now
SELECT json_object (
         'receipt', 1,
         'id', i.id,
         'state', shown_state (i.state, i.no, i.holder_pid, i.holder_start, i.holder_boot),
         'tool', json_object ('name', 'qimport', 'version', i.tool),
         'host', i.host,
         'user', i.user,
         'source', (SELECT json_group_array (json (object))
                      FROM (SELECT json_object (
                                     'layer', l.key & 255,
                                     'url', l.url,
                                     'url_had_secret', json (iif (l.url_had_secret, 'true',
                                                                  'false')),
                                     'final_url', nullif (l.final_url, ''),
                                     'final_host', iif (instr (l.final_url, '://'),
                                       substr (l.final_url, instr (l.final_url, '://') + 3,
                                               instr (substr (l.final_url, instr (l.final_url,
                                                              '://') + 3) || '/', '/') - 1),
                                       NULL),
                                     'format', l.format,
                                     'length', l.length,
                                     'etag', nullif (l.etag, ''),
                                     'last_modified', nullif (l.last_modified, ''),
                                     'identity', CASE l.trust WHEN 0 THEN 'strong'
                                                              WHEN 1 THEN 'weak'
                                                              ELSE 'length-only' END,
                                     'tls_certificate_sha256', nullif (l.tls_fingerprint, ''),
                                     'cluster_size', l.cluster_size,
                                     'metadata_sha256', lower (hex (l.head_digest))) AS object
                              FROM layer AS l
                             WHERE l.key >= i.no << 8 AND l.key < (i.no + 1) << 8
                             ORDER BY l.key)),
         'image', json_object ('virtual_size', i.virtual_size,
                               'cluster_size', i.cluster_size,
                               'features', nullif (i.format_features, ''),
                               'snapshot', nullif (i.snapshot, ''),
                               'read_as_stream', json (iif (i.stream, 'true', 'false'))),
         'target', json_object ('path', i.target, 'kind', i.target_kind,
                                'identity', nullif (i.target_identity, ''),
                                'unallocated', iif (i.keep_holes, 'keep', 'zero')),
         'bytes', json_object ('guest_total', i.guest_total,
                               'guest_committed', i.guest_committed,
                               'data_total', s.data_total,
                               'data_committed', s.data_committed,
                               'image_total', i.image_total, 'fetched', i.fetched),
         'segments', json_object ('total', i.segments, 'committed', i.segments_committed),
         'attempts', i.attempts,
         'error', iif (i.error_code = '', NULL,
                       json_object ('code', i.error_code, 'message', i.error_message)),
         'started_at', s.started_at,
         'updated_at', s.updated_at,
         'finished_at', s.finished_at,
         'verification', json_object (
           'source_identity', CASE (SELECT trust FROM layer WHERE key = i.no << 8)
                                WHEN 0 THEN 'strong' WHEN 1 THEN 'weak'
                                ELSE 'length-only' END,
           'image_sha256_computed', json (iif (i.image_sha256 <> ''
                                               AND NOT instr (i.image_sha256, ':'),
                                               'true', 'false')),
           'image_sha256_checked', json (iif (i.image_sha256 <> ''
                                              AND NOT instr (i.image_sha256, ':')
                                              AND i.image_sha256 = i.expect_sha256,
                                              'true', 'false')),
           'image_checksum_checked', json (iif (i.image_sha256 <> ''
                                                AND i.image_sha256 = i.expect_sha256,
                                                'true', 'false')),
           'checksum_from', CASE WHEN i.expect_sha256 = '' THEN NULL
                                 WHEN i.told LIKE 'image-signed-by=%' THEN 'signature'
                                 WHEN i.told IS NOT NULL THEN 'file'
                                 ELSE 'option' END,
           'checksum_url', substr (i.told, instr (i.told, ' ') + 1),
           'signed_by', iif (i.told LIKE 'signed-by=%' OR i.told LIKE 'image-signed-by=%',
                             substr (i.told, instr (i.told, '=') + 1,
                                     instr (i.told, ' ') - instr (i.told, '=') - 1), NULL),
           'segment_digests', json (iif (i.digests = 1, 'true', 'false')),
           'target_audited', json (iif (i.root_digest <> '', 'true', 'false'))),
         'mirrors', (SELECT json_group_array (detail)
                       FROM (SELECT DISTINCT detail FROM event
                              WHERE key >= i.no << 40 AND key < (i.no + 1) << 40
                                AND kind = 'mirror')),
         'audits', (SELECT json_group_array (json_object ('at', at, 'kind', kind,
                                                          'verdict', detail))
                      FROM (SELECT at, kind, detail FROM event
                             WHERE key >= i.no << 40 AND key < (i.no + 1) << 40
                               AND kind IN ('audited', 'repaired')
                             ORDER BY key)),
         'chain', json_object (
           'events', (SELECT count (*) FROM event
                       WHERE key >= i.no << 40 AND key < (i.no + 1) << 40),
           'head', (SELECT lower (hex (chain)) FROM event
                     WHERE key >= i.no << 40 AND key < (i.no + 1) << 40
                     ORDER BY key DESC LIMIT 1)),
         'interruptions', (SELECT count (*) FROM event
                            WHERE key >= i.no << 40 AND key < (i.no + 1) << 40
                              AND kind = 'interrupted'),
         'retries', (SELECT count (*) FROM event
                      WHERE key >= i.no << 40 AND key < (i.no + 1) << 40 AND kind = 'retry'),
         'digests', json_object ('map_sha256', nullif (lower (hex (i.map_digest)), ''),
                                 'image_sha256', iif (instr (i.image_sha256, ':'), NULL,
                                                      nullif (i.image_sha256, '')),
                                 'image_sha256_expected', iif (instr (i.expect_sha256, ':'), NULL,
                                                               nullif (i.expect_sha256, '')),
                                 'image_checksum',
                                   CASE WHEN i.image_sha256 = '' THEN NULL
                                        WHEN instr (i.image_sha256, ':') THEN i.image_sha256
                                        ELSE 'sha256:' || i.image_sha256 END,
                                 'image_checksum_expected',
                                   CASE WHEN i.expect_sha256 = '' THEN NULL
                                        WHEN instr (i.expect_sha256, ':') THEN i.expect_sha256
                                        ELSE 'sha256:' || i.expect_sha256 END,
                                 'target_root_sha256', nullif (i.root_digest, '')),
         'events', (SELECT json_group_array (json_object ('at', at, 'kind', kind,
                                                          'detail', detail))
                      FROM (SELECT at, kind, detail FROM event
                             WHERE key >= i.no << 40 AND key < (i.no + 1) << 40
                               AND kind <> 'committed'
                             ORDER BY key)))
  FROM (SELECT *,
               (SELECT substr (detail, length (expect_sha256) + 2) FROM event
                 WHERE key >= no << 40 AND key < (no << 40) + 64 AND kind = 'checksum'
                   AND expect_sha256 <> ''
                   AND substr (detail, 1, length (expect_sha256) + 1) = expect_sha256 || ' '
                 ORDER BY key DESC LIMIT 1) AS told
          FROM import
         WHERE no = ?1) AS i
       CROSS JOIN import_summary AS s
 WHERE s.id = i.id;

-- :state_rows  guest bytes as 0 data, 1 compressed, 2 zero, 3 hole; and whether they are committed
SELECT guest_offset, length, iif (kind = 'compressed', 1, 0), committed
  FROM cluster_state
 WHERE import_id = (SELECT id FROM import WHERE no = ?1) AND kind <> 'zero'
UNION ALL
SELECT z.guest * 512, z.len * 512, 2 + z.hole, z.key - (?1 << 40) < i.zero_ord
  FROM import AS i
       CROSS JOIN zero_run AS z
 WHERE i.no = ?1 AND i.sealed
   AND z.key >= ?1 << 40 AND z.key < (?1 + 1) << 40;

-- :check_import  what does not hold of import ?1, one row each
WITH counted AS (
  SELECT i.*,
         (SELECT count (*) FROM extent
           WHERE key >= i.no << 40 AND key < (i.no + 1) << 40) AS extent_rows,
         (SELECT count (*) FROM zero_run
           WHERE key >= i.no << 40 AND key < (i.no + 1) << 40) AS zero_rows,
         (SELECT count (*) FROM layer
           WHERE key >= i.no << 8 AND key < (i.no + 1) << 8) AS layer_rows
    FROM import AS i
   WHERE i.no = ?1 AND (i.sealed OR i.stream)
), piece AS (
  SELECT count (*) AS n, coalesce (sum (s.committed), 0) AS committed,
         coalesce (sum (s.extents), 0) AS extents,
         coalesce (sum (s.guest_bytes), 0) AS guest,
         coalesce (max (s.need_to - s.need_from), 0) AS need_max,
         coalesce (sum (s.committed_to < s.at OR s.committed_to > s.need_to
                        OR s.need_from > s.need_to OR s.committed_extents > s.extents
                        OR s.first_extent <> s.before), 0) AS wrong
    FROM (SELECT *, coalesce (sum (extents) OVER (ORDER BY key
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
            FROM segment
           WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40) AS s
)
SELECT 'the number of segments is wrong' FROM counted, piece WHERE n <> segments
UNION ALL
SELECT 'the number of extents is wrong' FROM counted, piece
 WHERE extent_rows <> counted.extents OR piece.extents <> counted.extents
UNION ALL
SELECT 'the number of zero runs is wrong' FROM counted WHERE sealed AND zero_rows <> zero_runs
UNION ALL
SELECT 'the number of layers is wrong' FROM counted WHERE layer_rows <> layers
UNION ALL
SELECT 'the number of committed segments is wrong' FROM counted, piece
 WHERE committed <> segments_committed
UNION ALL
SELECT 'the zero runs cursor is beyond its end' FROM counted WHERE sealed AND zero_ord > zero_runs
UNION ALL
SELECT 'more is committed than there is' FROM counted WHERE guest_committed > guest_total
UNION ALL
SELECT 'the zeros do not add up' FROM counted
 WHERE sealed AND (zero_total, zero_committed - zero_off) IS NOT
       (SELECT coalesce (sum (len), 0) * 512,
               coalesce (sum (iif (key < (?1 << 40) + zero_ord, len, 0)), 0) * 512
          FROM zero_run WHERE key >= ?1 << 40 AND key < (?1 + 1) << 40)
UNION ALL
SELECT 'what is committed does not add up' FROM counted
 WHERE guest_committed <> (SELECT coalesce (sum (length), 0) FROM cluster_state
                            WHERE import_id = id AND cluster_state.committed)
UNION ALL
SELECT 'a segment is passed over that is not committed' FROM counted
 WHERE done_to > segments
       OR EXISTS (SELECT 1 FROM segment
                   WHERE key >= no << 40 AND key < (no << 40) + done_to AND NOT committed)
UNION ALL
SELECT 'a segment contradicts itself' FROM piece WHERE wrong
UNION ALL
SELECT 'the size of the largest segment is wrong' FROM counted, piece
 WHERE sealed AND counted.need_max <> piece.need_max
UNION ALL
SELECT 'a layer has no length, or a segment reaches beyond it' FROM counted
 WHERE NOT stream
   AND EXISTS (SELECT 1 FROM layer AS l
                WHERE l.key >= no << 8 AND l.key < (no + 1) << 8
                  AND (l.length IS NULL
                       OR l.length < (SELECT max (need_to) FROM segment
                                       WHERE key >= no << 40 AND key < (no + 1) << 40
                                         AND layer = l.key & 255)))
UNION ALL
SELECT 'who began it is no text' FROM counted
 WHERE typeof (tool) <> 'text' OR typeof (host) <> 'text' OR typeof (user) <> 'text'
UNION ALL
SELECT 'it is complete, but not all of it is committed' FROM counted
 WHERE state = 'complete'
       AND (NOT sealed OR segments_committed <> segments OR zero_ord <> zero_runs);
