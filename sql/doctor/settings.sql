-- doctor.settings
SELECT name, setting
FROM pg_settings
WHERE name IN ('timescaledb.license', 'timescaledb.max_background_workers', 'max_worker_processes',
    'max_parallel_workers', 'max_connections', 'superuser_reserved_connections', 'reserved_connections',
    'fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'wal_level')
