-- metrics.devices: how many devices belong to somebody; how many of those have a reading of yesterday or later, in UTC; and how
-- many have none since then, but one of the seven days before
WITH day AS (SELECT date_trunc('day', now(), 'UTC') - INTERVAL '1 day' AS yesterday),
-- The last day of each device that was heard of in this time.
heard AS (
    SELECT device_id, max(bucket) AS last_day
    FROM channel_daily
    WHERE bucket >= date_trunc('day', now(), 'UTC') - INTERVAL '8 days'
    GROUP BY device_id)
SELECT count(*),
       count(*) FILTER (WHERE last_day >= yesterday),
       count(*) FILTER (WHERE last_day < yesterday)
FROM assignment CROSS JOIN day LEFT JOIN heard USING (device_id)
WHERE during @> now()
