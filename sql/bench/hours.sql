-- bench.hours: a reading of every channel at each hour of the UTC day $1, stamped with its owner's billing day
INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
SELECT h.ts, v.value, v.value, c.channel_id, a.customer_id, a.group_id, h.billing_day
FROM channel AS c
JOIN assignment AS a USING (device_id)
JOIN customer AS o ON o.customer_id = a.customer_id
JOIN (
    SELECT ts, z.zone, (ts AT TIME ZONE z.zone)::date AS billing_day
    FROM (SELECT DISTINCT coalesce(time_zone::text, 'UTC') AS zone FROM customer) AS z
    CROSS JOIN generate_series($1::date::timestamp AT TIME ZONE 'UTC', ($1 + time '23:00') AT TIME ZONE 'UTC', '1 hour') AS ts
    ) AS h ON h.zone = coalesce(o.time_zone::text, 'UTC')
CROSS JOIN LATERAL (SELECT 1000 + extract(hour FROM h.ts)::bigint * 10 + c.device_id % 10 AS value) AS v
ORDER BY c.channel_id, h.ts
