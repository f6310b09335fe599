-- bench.late: $4 readings of the device $1 spread over [$2, $3), at instants that it had none before, and of value 1
INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
SELECT l.ts, 1, 1, c.channel_id, a.customer_id, a.group_id, (l.ts AT TIME ZONE coalesce(o.time_zone::text, 'UTC'))::date
FROM generate_series(0, $4::integer - 1) AS n
CROSS JOIN LATERAL (
    SELECT $2::timestamptz + ($3::timestamptz - $2::timestamptz) * n / $4
           + make_interval(secs => extract(epoch FROM clock_timestamp())::numeric % 60) AS ts) AS l
JOIN device AS d ON d.key::text = $1
JOIN channel AS c USING (device_id)
JOIN assignment AS a USING (device_id)
JOIN customer AS o ON o.customer_id = a.customer_id
