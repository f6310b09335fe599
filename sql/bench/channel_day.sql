-- bench.channel_day: one reading of each channel at noon of the billing day $1, as the rollup of days has it
INSERT INTO {table} (bucket, billing_day, channel_id, customer_id, group_id, device_id, metric_id, count, increment_sum, value_sum,
    value_min, value_max, first_ts, first_value, last_ts, last_value)
SELECT $1::date::timestamptz, $1, c.channel_id, a.customer_id, a.group_id, c.device_id, c.metric_id, 1, v.value, v.value,
       v.value, v.value, v.noon, v.value, v.noon, v.value
FROM channel AS c
JOIN assignment AS a USING (device_id)
JOIN customer AS o ON o.customer_id = a.customer_id
CROSS JOIN LATERAL (SELECT 1000 + ($1 - date '2000-01-01') % 97 * 10 + c.device_id % 10 AS value,
    ($1 + time '12:00') AT TIME ZONE coalesce(o.time_zone, 'UTC') AS noon) AS v
ORDER BY c.channel_id
