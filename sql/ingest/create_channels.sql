-- ingest.create_channels: returns those that were made; in one order always, so that two batches that make the same channels do not block each other
INSERT INTO channel (provider_id, device_id, metric_id, dimensions, first_ts)
SELECT $1, device_id, metric_id, dimensions, first_ts
FROM unnest($2::integer[], $3::integer[], $4::jsonb[], $5::timestamptz[])
    AS wanted (device_id, metric_id, dimensions, first_ts)
ORDER BY device_id, metric_id, dimensions
ON CONFLICT ON CONSTRAINT channel_device_metric_dimensions_key DO NOTHING
RETURNING channel_id
