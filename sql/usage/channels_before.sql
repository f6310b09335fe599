-- usage.channels_before: the last value before the range, per metric and series, from a rollup of channels: of each
-- channel its last bucket, of these the latest, of several at that instant the highest.
SELECT DISTINCT ON (c.metric_id, {label}) c.metric_id, {label} AS label, b.last_value
FROM channel c
JOIN device d USING (device_id)
CROSS JOIN LATERAL (
    SELECT r.last_value, r.last_ts
    FROM {rollup} r
    WHERE r.channel_id = c.channel_id
      AND r.bucket < $2::timestamptz
      AND ($3::date IS NULL OR r.{day} < $3)
      AND ($5::integer[] IS NULL OR r.customer_id = ANY ($5))
      AND ($6::integer IS NULL OR r.group_id = $6)
    ORDER BY r.bucket DESC, r.last_ts DESC, r.last_value DESC
    LIMIT 1) b
WHERE c.metric_id = ANY ($1::integer[])
  AND ($7::integer[] IS NULL OR c.device_id = ANY ($7))
ORDER BY c.metric_id, {label}, b.last_ts DESC, b.last_value DESC
LIMIT $4
