-- rollups.pending_hours: the oldest $1 hours with pending changes, and the snapshot that saw them
SELECT DISTINCT hour, pg_current_snapshot()::text AS snapshot
FROM reading_change
ORDER BY hour
LIMIT $1
