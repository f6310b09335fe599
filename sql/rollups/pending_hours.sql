-- rollups.pending_hours: the oldest $1 hours with pending changes, of each whether they are of at most $2 known channels,
-- and the snapshot that saw them. (The size of an array tells how long it is without its being read: where one alone names
-- more, none has to be.)
SELECT hour,
       CASE WHEN could_be_few THEN (
           SELECT count(DISTINCT channel_id) <= $2
           FROM reading_change AS c
           CROSS JOIN LATERAL unnest(c.channels) AS channel_id
           WHERE c.hour = pending.hour)
       ELSE false END AS few,
       pg_current_snapshot()::text AS snapshot
FROM (
    SELECT hour, bool_and(channels IS NOT NULL AND (pg_column_size(channels) - 20) / 4 <= $2) AS could_be_few
    FROM reading_change
    GROUP BY hour
    ORDER BY hour
    LIMIT $1) AS pending
ORDER BY hour
