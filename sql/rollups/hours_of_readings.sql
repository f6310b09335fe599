-- rollups.hours_of_readings: what readings in [$1, $2) make of {name} in the buckets that are touched. (LATERAL and
-- OFFSET, so that each bucket is looked up: nothing is known of how many there are. So are the values of the first and the
-- last reading, which takes less than comparing all; of a single reading they are its own.)
SELECT
    of.bucket, of.billing_day, of.channel_id, of.customer_id, of.group_id, c.device_id, c.metric_id,
    of.count, of.increment_sum, of.value_sum, of.value_min, of.value_max,
    of.first_ts,
    CASE of.count WHEN 1 THEN of.value_min ELSE (
        SELECT min(s.value) FROM reading AS s
        WHERE s.ts >= $1 AND s.ts < $2 AND s.channel_id = of.channel_id AND s.ts = of.first_ts
          AND (s.billing_day, s.customer_id, s.group_id) = (of.billing_day, of.customer_id, of.group_id))
    END AS first_value,
    of.last_ts,
    CASE of.count WHEN 1 THEN of.value_max ELSE (
        SELECT max(s.value) FROM reading AS s
        WHERE s.ts >= $1 AND s.ts < $2 AND s.channel_id = of.channel_id AND s.ts = of.last_ts
          AND (s.billing_day, s.customer_id, s.group_id) = (of.billing_day, of.customer_id, of.group_id))
    END AS last_value
FROM (
    SELECT
        t.bucket, s.billing_day, t.channel_id, s.customer_id, s.group_id,
        count(*) AS count,
        sum(s.increment) AS increment_sum,
        sum(s.value) AS value_sum,
        min(s.value) AS value_min,
        max(s.value) AS value_max,
        min(s.ts) AS first_ts,
        max(s.ts) AS last_ts
    FROM (SELECT * FROM touched_{name} WHERE bucket >= $1 AND bucket < $2) AS t
    CROSS JOIN LATERAL (
        SELECT s.* FROM reading AS s
        WHERE s.ts >= $1 AND s.ts < $2 AND s.ts >= t.bucket AND s.ts < t.bucket + interval '1 hour' AND s.channel_id = t.channel_id
        OFFSET 0) AS s
    GROUP BY t.bucket, s.billing_day, t.channel_id, s.customer_id, s.group_id) AS of
JOIN channel AS c ON c.channel_id = of.channel_id
