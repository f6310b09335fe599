-- ingest.raw.channels: the channels of a device ($1); of one metric ($2) if that is given, and that have readings of customers
-- that are seen ($3)
SELECT c.channel_id, m.key::text AS metric, m.scale, c.dimensions
FROM channel c
JOIN metric m USING (metric_id)
WHERE c.device_id = $1 AND ($2::integer IS NULL OR m.metric_id = $2)
  AND ($3::integer[] IS NULL OR EXISTS (
      SELECT
      FROM assignment a
      CROSS JOIN LATERAL (
          SELECT FROM reading r
          WHERE r.channel_id = c.channel_id AND r.customer_id = ANY ($3)
            AND r.ts >= coalesce(lower(a.during), '-infinity') AND r.ts < coalesce(upper(a.during), 'infinity')
          LIMIT 1) AS found
      WHERE a.device_id = c.device_id AND a.customer_id = ANY ($3)))
ORDER BY c.channel_id
