-- usage.channels: figures per metric, series and period from a rollup of channels. The words in braces stand for
-- constants of the program, never for anything that a caller sent.
SELECT r.metric_id, {label} AS label, {period} AS period, {figures}
FROM {rollup} r{join}
WHERE r.metric_id = ANY ($1::integer[])
  -- Which chunks: UTC buckets, wide enough for any zone.
  AND r.bucket >= $2::timestamptz AND r.bucket < $3::timestamptz
  -- Which days: each owner's own.
  AND ($4::date IS NULL OR r.{day} >= $4) AND ($5::date IS NULL OR r.{day} < $5)
  -- Whose.
  AND ($9::integer[] IS NULL OR r.customer_id = ANY ($9))
  AND ($10::integer IS NULL OR r.group_id = $10)
  AND ($11::integer[] IS NULL OR r.channel_id = ANY (ARRAY(SELECT channel_id FROM channel WHERE device_id = ANY ($11))))
GROUP BY 1, 2, 3
LIMIT $8
