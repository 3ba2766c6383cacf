-- 0003: work and zeros are told apart.  What reads as zeros is made for nothing, so that it says
-- nothing of how far an import is: of guest_total and guest_committed it is zero_total and
-- zero_committed.
ALTER TABLE import ADD COLUMN zero_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import ADD COLUMN zero_committed INTEGER NOT NULL DEFAULT 0;

UPDATE import
   SET zero_total = (SELECT coalesce (sum (len), 0) * 512 FROM zero_run
                      WHERE key >= no << 40 AND key < (no + 1) << 40),
       zero_committed = zero_off
                      + (SELECT coalesce (sum (len), 0) * 512 FROM zero_run
                          WHERE key >= no << 40 AND key < (no << 40) + zero_ord)
 WHERE sealed;

DROP VIEW import_summary;
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
         nullif (i.holder, '') AS holder,
         i.guest_total - i.zero_total AS data_total,
         i.guest_committed - i.zero_committed AS data_committed
    FROM import AS i
         LEFT JOIN layer AS l ON l.key = i.no << 8;

PRAGMA user_version = 3;
