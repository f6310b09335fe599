-- rollups.pending_hours: the hours of [$1, $2) with pending changes; of each whether it can be followed row by row, and the
-- snapshot that saw them. It can where it is known of which channels they are, and at most $4 of these are to be
-- recomputed: before $3, if there is such a time, nothing is added. (The size of an array tells how long it is without its
-- being read: where one alone names more, none has to be.)
SELECT hour,
       CASE WHEN may_be_few THEN (
           SELECT count(DISTINCT channel_id) <= $4
           FROM reading_change AS c
           CROSS JOIN LATERAL unnest(c.channels) AS channel_id
           WHERE c.hour = pending.hour AND (c.billing_day IS NULL OR c.hour < coalesce($3, '-infinity')))
       ELSE false END AS by_rows,
       pg_current_snapshot()::text AS snapshot
FROM (
    SELECT hour, bool_and(channels IS NOT NULL
                          AND (billing_day IS NOT NULL AND hour >= coalesce($3, '-infinity')
                               OR (pg_column_size(channels) - 20) / 4 <= $4)) AS may_be_few
    FROM reading_change
    WHERE hour >= $1 AND hour < $2
    GROUP BY hour) AS pending
ORDER BY hour
