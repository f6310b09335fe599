-- ingest.raw.channels: the channels of a device ($1); of one metric ($2) if that is given
SELECT c.channel_id, m.key::text AS metric, m.scale, c.dimensions
FROM channel c
JOIN metric m USING (metric_id)
WHERE c.device_id = $1 AND ($2::integer IS NULL OR m.metric_id = $2)
ORDER BY c.channel_id
