-- rollups.pending_hours: the oldest $1 hours with pending changes, of each whether they are of at most $2 known channels,
-- and the snapshot that saw them
SELECT hour, bool_and(channels IS NOT NULL) AND count(DISTINCT channel_id) <= $2 AS few,
       pg_current_snapshot()::text AS snapshot
FROM reading_change
LEFT JOIN LATERAL unnest(channels) AS channel_id ON true
GROUP BY hour
ORDER BY hour
LIMIT $1
