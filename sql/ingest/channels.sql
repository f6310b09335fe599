-- ingest.channels: the channels of a batch that are there, each with its place in the batch and its earliest reading
SELECT wanted.place, c.channel_id, c.first_ts
FROM unnest($1::integer[], $2::integer[], $3::jsonb[])
    WITH ORDINALITY AS wanted (device_id, metric_id, dimensions, place)
JOIN channel c USING (device_id, metric_id, dimensions)
