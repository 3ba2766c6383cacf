-- The file itself: pragmas, transactions, space.  Not for the staging database.

-- :set_page_size  before the first table
PRAGMA page_size = 4096;
-- :set_auto_vacuum  so that forget can give space back
PRAGMA auto_vacuum = INCREMENTAL;
-- :set_temp_file  sorting a large map must not grow the process
PRAGMA temp_store = FILE;
-- :set_cell_check
PRAGMA cell_size_check = ON;
-- :set_wal  answers the mode that holds now
PRAGMA journal_mode = WAL;
-- :set_rollback  where shared memory is not to be had
PRAGMA journal_mode = DELETE;
-- :set_wal_limit  a WAL that a long reader let grow is cut again
PRAGMA journal_size_limit = 16777216;
-- :set_sync_normal
PRAGMA synchronous = NORMAL;
-- :set_sync_full
PRAGMA synchronous = FULL;
-- :set_sync_extra
PRAGMA synchronous = EXTRA;
-- :get_sync
PRAGMA synchronous;
-- :get_application_id
PRAGMA application_id;
-- :get_user_version
PRAGMA user_version;
-- :schema  what sqlite3 .schema shows, for its digest
SELECT type, name, tbl_name, sql
  FROM sqlite_schema
 WHERE name NOT LIKE 'sqlite_stat%'
 ORDER BY type, name;
-- :begin
BEGIN IMMEDIATE;
-- :begin_read
BEGIN;
-- :commit
COMMIT;
-- :rollback
ROLLBACK;
-- :free_pages
PRAGMA freelist_count;
-- :give_back  1000 pages at a time, so that others get their turn
PRAGMA incremental_vacuum (1000);
-- :quick_check
PRAGMA quick_check (1);
