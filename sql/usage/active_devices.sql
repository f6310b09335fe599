-- usage.active_devices: how many devices of each series have readings, per metric and period, from a rollup of channels:
-- for each series and metric a look-up in an index that holds all that is read here, so that nothing but the devices of
-- one period has to be sorted. The words in braces stand for constants of the program, never for anything that a caller
-- sent.
SELECT m.metric_id, s.label, a.period, a.active_devices
FROM ({series}) AS s (label, owners)
CROSS JOIN unnest($1::integer[]) AS m (metric_id)
CROSS JOIN LATERAL (
    SELECT {period} AS period, count(DISTINCT r.device_id) AS active_devices
    FROM {rollup} r
    WHERE {owned}
      AND r.metric_id = m.metric_id
      -- Which chunks: UTC buckets, wide enough for any zone.
      AND r.bucket >= $2::timestamptz AND r.bucket < $3::timestamptz
      -- Which days: each owner's own.
      AND ($4::date IS NULL OR r.{day} >= $4) AND ($5::date IS NULL OR r.{day} < $5)
    {each}) AS a
LIMIT $8
