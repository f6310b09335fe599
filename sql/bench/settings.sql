-- bench.settings: what decides how fast PostgreSQL can write
SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes') AS full_page_writes, current_setting('wal_sync_method') AS wal_sync_method,
       current_setting('shared_buffers') AS shared_buffers, current_setting('max_wal_size') AS max_wal_size,
       current_setting('max_connections')::integer AS max_connections
