-- ingest.find_or_create_channel: one channel, made without a reading if it is not there; the update that changes nothing
-- returns it if it is
INSERT INTO channel AS c (provider_id, device_id, metric_id, dimensions)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT channel_device_metric_dimensions_key DO UPDATE SET dimensions = c.dimensions
RETURNING channel_id
