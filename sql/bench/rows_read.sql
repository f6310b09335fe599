-- bench.rows_read: rows that sequential scans looked at and entries that scans of indexes gave, of readings, rollups and
-- temporary tables, since statistics were last reset
SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables AS t
        WHERE t.schemaname IN ('public', '_timescaledb_internal') OR t.schemaname LIKE 'pg\_temp%')::bigint
     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes AS i
        WHERE i.schemaname IN ('public', '_timescaledb_internal') OR i.schemaname LIKE 'pg\_temp%')::bigint
