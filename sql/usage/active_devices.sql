-- usage.active_devices: how many devices of each series have readings, per metric and period, from a rollup of channels:
-- for each series a look-up in an index that holds all that is read here. The words in braces stand for constants of the
-- program, never for anything that a caller sent.
SELECT a.metric_id, s.label, a.period, a.active_devices
FROM ({series}) AS s (label, owners)
CROSS JOIN LATERAL (
    SELECT r.metric_id, {period} AS period, count(DISTINCT r.device_id) AS active_devices
    FROM {rollup} r
    WHERE {owned}
      AND r.metric_id = ANY ($1::integer[])
      -- Which chunks: UTC buckets, wide enough for any zone.
      AND r.bucket >= $2::timestamptz AND r.bucket < $3::timestamptz
      -- Which days: each owner's own.
      AND ($4::date IS NULL OR r.{day} >= $4) AND ($5::date IS NULL OR r.{day} < $5)
    GROUP BY 1, 2) AS a
LIMIT $8
