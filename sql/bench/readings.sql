-- bench.readings: a reading of every $2th device at noon of the billing day $1
INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
SELECT ($1 + time '12:00') AT TIME ZONE coalesce(o.time_zone, 'UTC'), v.value, v.value, c.channel_id, a.customer_id, a.group_id, $1
FROM channel AS c
JOIN assignment AS a USING (device_id)
JOIN customer AS o ON o.customer_id = a.customer_id
CROSS JOIN LATERAL (SELECT 1000 + ($1 - date '2000-01-01') % 97 * 10 + c.device_id % 10 AS value) AS v
WHERE c.device_id % $2 = 0
