-- 0002: a target names its import.  How far the marker in its first sector had come with the sync
-- before the last commit: what is committed is on a target whose marker has this in its past.
-- Epoch 0: no marker is known of yet.  Imports of version 1 in progress had none.
ALTER TABLE import ADD COLUMN target_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import ADD COLUMN target_epoch INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 2;
